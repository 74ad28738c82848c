"""Checks which files of a folder TorchRL may read: files of numbers and text that lie inside the folder."""

from __future__ import annotations

import os
from pathlib import Path

from synth_replay.errors import CheckpointError
from synth_replay_torchrl.rows_on_disk import described

PLAIN = (".json", ".memmap", ".safetensors", ".t", ".pt")
"""What ``dumps`` writes. torch reads ``.t`` and ``.pt`` with ``weights_only``, so that no code in them runs."""


def require_plain_files(folder: Path) -> None:
    """Checks that a folder holds no links, and no files that TorchRL would unpickle.

    Raises:
        CheckpointError: If there is another kind of file, or a description of the rows that is not TorchRL's own.
    """
    for at, folders, files in os.walk(folder):
        for name in [*folders, *files]:
            entry = Path(at, name)
            if entry.is_symlink() or not (entry.is_dir() or (entry.is_file() and entry.suffix in PLAIN)):
                raise CheckpointError(
                    f"{entry} is no plain file of numbers or text, and loading it might run code in it. If you trust "
                    "its origin, call loads(path, trusted=True)."
                )
    if described(folder / "storage" / "storage_metadata.json").get("is_pytree"):
        raise CheckpointError(f"{folder} holds no tensordict of transitions: dump a buffer of this class again.")
