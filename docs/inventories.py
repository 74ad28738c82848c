"""Intersphinx inventories of the few foreign names in these pages, for a machine that reaches no network."""

from __future__ import annotations

import zlib
from pathlib import Path

FOLDER = Path(__file__).parent / "_build" / "inventories"

# name of the project: its address, and the page of each name
FOREIGN = {
    "torch": (
        "https://docs.pytorch.org/docs/stable/",
        {"torch.device": "tensor_attributes.html#$", "torch.Tensor": "tensors.html#$"},
    ),
    "gymnasium": (
        "https://gymnasium.farama.org/",
        {"gymnasium.Env": "api/env/#$", "gymnasium.spaces.Space": "api/spaces/#$"},
    ),
    "stable_baselines3": (
        "https://stable-baselines3.readthedocs.io/en/master/",
        {"stable_baselines3.common.buffers.ReplayBuffer": "common/buffers.html#$"},
    ),
    "d3rlpy": (
        "https://d3rlpy.readthedocs.io/en/latest/",
        {"d3rlpy.dataset.ReplayBuffer": "references/generated/d3rlpy.dataset.ReplayBuffer.html#$"},
    ),
    "python": ("https://docs.python.org/3/", {"pathlib.Path": "library/pathlib.html#$"}),
    "numpy": ("https://numpy.org/doc/stable/", {"numpy.ndarray": "reference/generated/numpy.ndarray.html#$"}),
}


def write_inventories() -> dict[str, tuple[str, Path]]:
    """Writes them; returns address and file of each project."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    found = {}
    for name, (url, pages) in FOREIGN.items():
        lines = "".join(f"{entry} py:class 1 {page} -\n" for entry, page in pages.items())
        head = f"# Sphinx inventory version 2\n# Project: {name}\n# Version: \n"
        head += "# The remainder of this file is compressed using zlib.\n"
        path = FOLDER / f"{name}.inv"
        path.write_bytes(head.encode() + zlib.compress(lines.encode()))
        found[name] = (url, path)
    return found
