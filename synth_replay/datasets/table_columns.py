"""Names of the columns of a table: which of them make up the observations, the actions and the scalars."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from synth_replay.datasets.column_names import ALIASES, OBSERVATIONS
from synth_replay.datasets.json_values import listed
from synth_replay.errors import DatasetFormatError
from synth_replay.safe_paths import shown
from synth_replay.spaces import Array
from synth_replay.transitions import EXTRA_COLUMNS

EPISODES = ("episode", "episode_id", "episode_index", "eps_id")
_NUMBER = re.compile(r"[_./]?(\d{1,6})|\[(\d{1,6})\]")
_KEY = re.compile(r"[./](.+?)(?:_(\d{1,6})|\[(\d{1,6})\])?")

NEEDED = ("observations", "actions", "rewards", "terminations")
VECTORS = (*OBSERVATIONS, "actions")

Names = str | Sequence[str]


@dataclass(frozen=True)
class TableColumns:
    """Columns of a table that the user has named; where an attribute is None, columns are found by their names.

    Several names become a vector in that order. A single name is one column: one number per row, or one vector per row
    if its cells are lists.

    Attributes:
        observations: Columns of the observation.
        actions: Columns of the action.
        rewards: Column of the reward.
        next_observations: Columns of the next observation; without them, the observation of the following row is used.
        terminations: Column of the terminations.
        truncations: Column of the truncations.
        episodes: Column that identifies the episode. The last row of each episode is truncated unless it is terminal.
    """

    observations: Names | None = None
    actions: Names | None = None
    rewards: Names | None = None
    next_observations: Names | None = None
    terminations: Names | None = None
    truncations: Names | None = None
    episodes: str | None = None

    def chosen(self) -> dict[str, list[str]]:
        """Returns the stored names of the columns that were given, by leaf name; a name may be any value."""
        given = {f.name: _as_names(getattr(self, f.name), f.name in VECTORS) for f in fields(self)}
        return {name: held for name, held in given.items() if held}


def _as_names(given: Any, vector: bool) -> list[str]:
    """Returns one or several names of any type as text; for a scalar, a tuple is one name, from a MultiIndex."""
    if given is None:
        return []
    single = isinstance(given, (str, bytes)) or not isinstance(given, Iterable)
    return [str(given)] if single or (isinstance(given, tuple) and not vector) else list(map(str, given))


def find_table_columns(path: Path, names: Iterable[str], columns: TableColumns) -> dict[str, list[str]]:
    """Finds the columns of a table that make up each leaf of a transition.

    Args:
        path: File to name in errors.
        names: Names of all columns of the table.
        columns: The columns that the caller has named.

    Returns:
        Stored names by leaf name, such as ``{"observations": ["obs_0", "obs_1"], "rewards": ["reward"]}``.

    Raises:
        DatasetFormatError: If names occur twice, a column is missing, or the numbers of a vector have gaps.
    """
    held = list(names)
    if twice := [name for name, count in Counter(held).items() if count > 1]:
        raise DatasetFormatError(f"{path} has several columns of one name: {listed(twice)}. Rename them.")
    chosen = columns.chosen()
    if lost := sorted({name for given in chosen.values() for name in given} - set(held)):
        raise DatasetFormatError(f"{path} has no column {listed(lost)}; it holds {listed(held)}.")
    taken = {name for given in chosen.values() for name in given}
    for head, aliases in (OBSERVATIONS | ALIASES | {name: (name,) for name in EXTRA_COLUMNS}).items():
        if head not in chosen:
            chosen |= _by_name(path, head, aliases, [name for name in held if name not in taken])
    if "episodes" not in chosen and (episode := next((name for name in EPISODES if name in held), None)):
        chosen["episodes"] = [episode]
    _require_columns(path, held, chosen)
    return chosen


def _require_columns(path: Path, held: list[str], chosen: Mapping[str, list[str]]) -> None:
    missing = [name for name in NEEDED if not any(leaf.split("/")[0] == name for leaf in chosen)]
    if missing:
        first = ", ".join(f"{name[:60]}..." if len(name) > 60 else name for name in held[:12]) or "no columns"
        more = f" and {len(held) - 12:,} more" if len(held) > 12 else ""
        given = ", ".join(f"{name}={'[...]' if name in VECTORS else '...'}" for name in missing)
        raise DatasetFormatError(
            f"{path} lacks {', '.join(missing)}; it holds {first}{more}. Rename its columns (observations_0, "
            f"observations_1, ..., actions_0, ..., rewards, terminations), or name them: open_table(..., {given})."
        )


def _by_name(path: Path, head: str, aliases: Iterable[str], names: list[str]) -> dict[str, list[str]]:
    """Returns the leaves of a column by the first alias that the table has."""
    for alias in aliases:
        parts: dict[str, dict[int, str]] = {}
        for name in names:
            if place := _place(alias, name):
                parts.setdefault(head + place[0], {})[place[1]] = name
        if parts:
            return {leaf: _in_order(path, numbered) for leaf, numbered in parts.items()}
    return {}


def _place(alias: str, name: str) -> tuple[str, int] | None:
    """Returns the key (``/key`` or nothing) and the number (-1 for none) of a column; None if it has another head."""
    rest = name[len(alias) :]
    if not name.startswith(alias):
        return None
    if not rest:
        return "", -1
    if number := _NUMBER.fullmatch(rest):
        return "", int(number[1] or number[2])
    if key := _KEY.fullmatch(rest):
        number_ = key[2] or key[3]
        return "/" + key[1].replace(".", "/"), -1 if number_ is None else int(number_)
    return None


def _in_order(path: Path, numbered: Mapping[int, str]) -> list[str]:
    numbers = sorted(number for number in numbered if number >= 0)
    if -1 in numbered and not numbers:
        return [numbered[-1]]
    if -1 in numbered or numbers != list(range(numbers[0], numbers[0] + len(numbers))) or numbers[0] > 1:
        raise DatasetFormatError(
            f"{path}: the columns {listed(numbered.values())} do not form a vector: they must be numbered from 0 or 1 "
            "without gaps. Rename them, or name the columns with open_table()."
        )
    return [numbered[number] for number in numbers]


def stacked(path: Path, leaf: str, parts: Sequence[Array]) -> Array:
    """Joins the columns of a leaf, ``[n]`` or ``[n, *shape]`` each, into one array.

    Raises:
        DatasetFormatError: If they do not fit together or are not numbers.
    """
    for part in parts:
        if part.dtype.kind not in "biuf":
            raise DatasetFormatError(f"{path}: {shown(leaf)} holds {str(part.dtype)[:60]} values, not numbers.")
    if len(parts) == 1:
        vector = leaf.split("/")[0] in OBSERVATIONS and parts[0].ndim == 1
        return parts[0][:, None] if vector else parts[0]
    if any(part.ndim != 1 for part in parts):
        raise DatasetFormatError(f"{path}: columns of {shown(leaf)} hold lists. Give numbers, or one column of lists.")
    return np.stack(parts, axis=1)
