"""Adapters are found through the entry-point group ``synth_replay.adapters``."""

from __future__ import annotations

from importlib.metadata import entry_points
from importlib.util import find_spec
from typing import Any

from synth_replay.errors import MissingExtraError

GROUP = "synth_replay.adapters"


def require_extra(module: str, extra: str) -> None:
    """Checks that a host library is installed.

    Raises:
        MissingExtraError: With the pip command that installs it.
    """
    if find_spec(module) is None:
        raise MissingExtraError(f"{module} is not installed: pip install 'synth-replay[{extra}]'")


def available_adapters() -> list[str]:
    """Names of all installed adapters, whether or not their host library is there."""
    return sorted(entry_points(group=GROUP).names)


def load_adapter(name: str) -> Any:
    """Imports the adapter's module.

    Raises:
        MissingExtraError: If its host library is not installed, or there is no such adapter.
    """
    found = entry_points(group=GROUP, name=name)
    if not found:
        raise MissingExtraError(f"No adapter is called {name!r}; there are {available_adapters()}.")
    return next(iter(found)).load()
