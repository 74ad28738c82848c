"""Discovery of adapters through the entry-point group ``synth_replay.adapters``, in any installed package."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from typing import Any

from synth_replay.errors import MissingExtraError

GROUP = "synth_replay.adapters"


def require_extra(module: str, extra: str) -> None:
    """Checks that a host library is installed.

    Raises:
        MissingExtraError: If it is not installed; the message has the pip command.
    """
    if find_spec(module) is None:
        raise MissingExtraError(f"{module} is not installed: pip install 'synth-replay[{extra}]'")


def available_adapters() -> dict[str, str | None]:
    """Lists all installed adapters, ours and those of other packages.

    Each adapter is imported to find out whether it works, which takes seconds.

    Returns:
        For each name None if the adapter can be imported, else the reason and the pip command that helps.
    """
    return {entry.name: _obstacle(entry) for entry in sorted(entry_points(group=GROUP), key=lambda e: e.name)}


def load_adapter(name: str) -> Any:
    """Imports the module of an adapter.

    Raises:
        MissingExtraError: If the adapter's host library is not installed, or no adapter has this name.
    """
    found = [entry for entry in entry_points(group=GROUP) if entry.name == name]
    if not found:
        names = sorted(entry_points(group=GROUP).names)
        raise MissingExtraError(f"No adapter is called {name!r}; there are {names}.")
    return _load(found[0])


def _load(entry: EntryPoint) -> Any:
    try:
        return entry.load()
    except MissingExtraError:
        raise
    except ImportError as error:
        package = entry.dist.name if entry.dist else entry.module
        text = f"The adapter {entry.name!r} cannot be imported ({error}): pip install '{package}' with what it needs."
        raise MissingExtraError(text) from error


def _obstacle(entry: EntryPoint) -> str | None:
    try:
        _load(entry)
    except MissingExtraError as error:
        return str(error)
    except Exception as error:  # a faulty adapter of another package must not hide the others
        return f"The adapter {entry.name!r} cannot be imported: {error!r}"
    return None
