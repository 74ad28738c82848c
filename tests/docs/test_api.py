"""Every public name is on the page of the API, or on that of adapters."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
PACKAGES = ("synth_replay", "synth_replay_sb3", "synth_replay_d3rlpy", "synth_replay_torchrl")


def modules():
    for package in map(importlib.import_module, PACKAGES):
        yield package
        for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if info.ispkg:
                yield importlib.import_module(info.name)


def documented():
    """All objects that the pages' ``automodule`` directives name."""
    found = set()
    for page in ("api", "adapters"):
        text = (DOCS / f"{page}.md").read_text()
        for name, members in re.findall(r"automodule:: ([\w.]+)\n\s+:members:([^\n]*(?:\n {13}[^\n]+)*)", text):
            module = importlib.import_module(name)
            named = [member.strip() for member in members.split(",") if member.strip()]
            names = named or getattr(module, "__all__", vars(module))
            found |= {id(getattr(module, member)) for member in names}
    return found


@pytest.mark.parametrize("module", list(modules()), ids=lambda module: module.__name__)
def test_what_a_package_exports_is_documented(module):
    known = documented()
    public = {name: getattr(module, name) for name in getattr(module, "__all__", [])}
    things = {name: thing for name, thing in public.items() if inspect.isclass(thing) or inspect.isfunction(thing)}
    assert not [name for name, thing in things.items() if id(thing) not in known]


@pytest.mark.parametrize("module", list(modules()), ids=lambda module: module.__name__)
def test_what_a_package_exports_has_a_docstring_and_is_there(module):
    for name in getattr(module, "__all__", []):
        thing = getattr(module, name)
        assert not (inspect.isclass(thing) or inspect.isfunction(thing)) or inspect.getdoc(thing), name
