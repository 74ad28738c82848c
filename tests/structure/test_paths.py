"""Paths that the repository names exist: nothing points to where a module used to be."""

from __future__ import annotations

import re

import pytest

from tests.structure.tree import ROOT, bindings, modules, text_files

DOTTED = re.compile(r"(?<![\w./-])synth_replay(?:_sb3|_d3rlpy|_torchrl|_visual)?(?:\.[A-Za-z_]\w*)+")
FOLDERS = "synth_replay|adapters|pipelines|examples|benchmarks|tests|docs"
FILE = re.compile(rf"(?<![\w./-])(?:{FOLDERS})/[a-z][\w./-]*\w")  # capitals are ids of environments
GROUP = "synth_replay.adapters"  # the group of entry points
ELSEWHERE = {"tests/test_conformance.py"}  # in the adapter template
BUILT = ("docs/_build", "docs/gallery", "docs/api/generated", "docs/sg_execution_times.rst", "examples/gallery/images")


def is_there(path):
    """Whether a dotted path leads to a module or to a name of one."""
    parts = path.split(".")
    module = next(".".join(parts[:i]) for i in range(len(parts), 0, -1) if ".".join(parts[:i]) in modules())
    rest = parts[module.count(".") + 1 :]
    return not rest or rest[0] in bindings(module) or rest[0].startswith("__")


@pytest.fixture(scope="module")
def texts():
    return {str(path.relative_to(ROOT)): path.read_text() for path in text_files()}


def test_every_dotted_path_leads_to_a_module_or_a_name(texts):
    found = {(file, path) for file, text in texts.items() for path in DOTTED.findall(text)}
    missing = sorted(f"{file}: {path}" for file, path in found if path != GROUP and not is_there(path))
    assert not missing, "\n".join(missing)


def test_every_file_that_is_named_exists(texts):
    found = {(file, path) for file, text in texts.items() for path in FILE.findall(text)}
    expected = {(file, path) for file, path in found if path not in ELSEWHERE and not path.startswith(BUILT)}
    missing = [f"{file}: {path}" for file, path in expected if not (ROOT / path).exists()]
    assert not missing, "\n".join(sorted(missing))


def test_an_old_path_would_be_found():
    assert not any(is_there(f"synth_replay.{old}") for old in ("rotation", "config.CPU", "buffers.real_store"))
    assert is_there("synth_replay.codec.whitening") and is_there("synth_replay.Transitions")
