"""Each fragment of the changelog is one that towncrier will find."""

from __future__ import annotations

import re
import tomllib

import pytest

from tests.structure.tree import ROOT

SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["towncrier"]
FRAGMENTS = [path for path in sorted((ROOT / SETTINGS["directory"]).iterdir()) if path.name not in SETTINGS["ignore"]]


@pytest.mark.parametrize("path", FRAGMENTS, ids=lambda path: path.name)
def test_a_fragment_has_a_known_type_and_a_text(path):
    types = "|".join(kind["directory"] for kind in SETTINGS["type"])
    assert re.fullmatch(rf"(\d+|\+[\w-]+)\.({types})(\.\d+)?\.md", path.name)
    assert path.read_text().strip()


def test_the_changelog_has_the_line_below_which_versions_are_added():
    assert SETTINGS["start_string"] in (ROOT / SETTINGS["filename"]).read_text()
