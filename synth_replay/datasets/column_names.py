"""Column names that published datasets use, and the search for a transition's columns by these names."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path

from synth_replay.datasets.json_values import listed
from synth_replay.errors import DatasetFormatError, InvalidTransitionsError
from synth_replay.safe_paths import MakeError, shown
from synth_replay.spaces import Array
from synth_replay.transitions import EXTRA_COLUMNS, SCALARS

OBSERVATIONS = {
    "observations": ("observations", "observation", "obs"),
    "next_observations": ("next_observations", "next_observation", "next_obs"),
}
ALIASES = {
    "actions": ("actions", "action"),
    "rewards": ("rewards", "reward"),
    "terminations": ("terminations", "terminals", "terminated", "termination", "terminal", "dones", "done"),
    "truncations": ("truncations", "timeouts", "truncals", "episode_terminals", "truncated", "truncation", "timeout"),
}
OPTIONAL = ("truncations",)
DONES = ("dones", "done")
ENDS = "episode_terminals"  # marks the last row of each episode, terminated or truncated
DONES_NOTE = (
    "the column {name!r} is read as terminations: if it marks time limits too, also store a column timeouts, or "
    "these limits are learnt as terminal"
)
TIMED_NOTE = "the column {name!r} is read as terminations, except where {timeouts!r} is set as well"


def mark_limits(names: Mapping[str, str]) -> bool:
    """Whether terminations are read from a column of dones, and another column marks the time limits among them.

    Args:
        names: Stored names by leaf name.
    """
    return names["terminations"] in DONES and names.get("truncations", ENDS) != ENDS


def dones_note(names: Mapping[str, str]) -> list[str]:
    """Returns a note if terminations are read from a column of dones, which may mark time limits too.

    Args:
        names: Stored names by leaf name.
    """
    ended = names["terminations"]
    if ended not in DONES:
        return []
    if mark_limits(names):
        return [TIMED_NOTE.format(name=ended, timeouts=names["truncations"])]
    return [DONES_NOTE.format(name=ended)]


def find_columns(path: Path, heads: Mapping[str, Array]) -> dict[str, str]:
    """Finds the stored array of each column of a transition.

    Args:
        path: File to name in errors.
        heads: Zero-row arrays by stored name.

    Returns:
        Stored names by leaf name; with ``next_observations`` only if the file has them.

    Raises:
        DatasetFormatError: If a required column is missing, or a column is not an array of numbers.
    """
    names = {leaf: name for column, aliases in OBSERVATIONS.items() for leaf, name in _parts(column, aliases, heads)}
    for leaf, aliases in ALIASES.items():
        if stored := next((name for name in aliases if name in heads), None):
            names[leaf] = stored
    missing = [leaf for leaf in ALIASES if leaf not in names and leaf not in OPTIONAL]
    if not any(name.split("/")[0] == "observations" for name in names):
        missing.insert(0, "observations")
    if missing:
        raise DatasetFormatError(
            f"{path} lacks {', '.join(missing)}; it holds {listed(heads)}. Needed are "
            "observations, actions, rewards and terminals (or terminations), and best also next_observations."
        )
    names |= {name: name for name in EXTRA_COLUMNS if name in heads}
    require_names(names, lambda text: DatasetFormatError(f"{path}: {text}"))
    _require_numbers(path, {name: heads[name] for name in names.values()})
    return names


def _parts(column: str, aliases: Iterable[str], heads: Mapping[str, Array]) -> list[tuple[str, str]]:
    """Returns the leaves of a column with their stored names, by the first alias that the file has."""
    for alias in aliases:
        found = [name for name in heads if name == alias or name.startswith(f"{alias}/")]
        if found:
            return [(column + name.removeprefix(alias), name) for name in found]
    return []


def require_names(leaves: Iterable[str], error: MakeError) -> None:
    """Checks that the names of leaves hold plain keys, no paths, and that no leaf lies inside another one.

    Args:
        leaves: Names such as ``observations/position``.
        error: Makes the error from its text.

    Raises:
        Exception: The result of ``error``, if a key is empty, ``.`` or ``..``, has a backslash or NUL, is not valid
            UTF-8, or names both an array and a group of arrays, or if a name is longer than 60,000 bytes.
    """
    names = set(leaves)
    for name in names:
        keys = name.split("/")
        if any(key in ("", ".", "..") or "\\" in key or "\0" in key for key in keys) or not _encodes(name):
            raise error(f"the column {shown(name)} has a name that files cannot hold. Rename its key.")
        if any("/".join(keys[:i]) in names for i in range(1, len(keys))):
            raise error(f"the column {shown(name)} lies inside of another column. Rename its key.")


def _encodes(name: str) -> bool:
    try:
        return len(name.encode()) <= 60_000
    except UnicodeEncodeError:
        return False


def _require_numbers(path: Path, heads: Mapping[str, Array]) -> None:
    for name, head in heads.items():
        if head.dtype.kind not in "biuf":
            raise DatasetFormatError(
                f"{path}: {name[:60]} holds {str(head.dtype)[:60]} values, not numbers. Save it as numbers."
            )


def require_scalars(path: Path, heads: Mapping[str, Array]) -> None:
    """Checks that rewards, flags and the like have one number per row.

    Args:
        path: File to name in errors.
        heads: Zero-row arrays ``[0, *shape]`` by leaf name.

    Raises:
        InvalidTransitionsError: If one has several numbers per row.
    """
    for name in heads.keys() & set(SCALARS):
        if math.prod(shape := heads[name].shape[1:]) != 1:
            raise InvalidTransitionsError(f"{path}: {name} needs one number per row; its rows have the shape {shape}.")


def common_length(path: Path, lengths: Mapping[str, int]) -> int:
    """Returns the number of rows, which all columns must have.

    Args:
        path: File to name in errors.
        lengths: Rows by stored name.

    Raises:
        InvalidTransitionsError: If columns differ in length.
        DatasetFormatError: If there are no rows.
    """
    if len(set(lengths.values())) > 1:
        described = dict(list(lengths.items())[:12])
        raise InvalidTransitionsError(f"{path}: all columns need the same number of rows; got {described}.")
    rows = next(iter(lengths.values()))
    if rows == 0:
        raise DatasetFormatError(f"{path} holds no transitions.")
    return rows
