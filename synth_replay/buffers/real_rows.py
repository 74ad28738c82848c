"""Real rows by the source that they come from, as a refresh fits and scores them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import numpy as np

from synth_replay.spaces import Array
from synth_replay.transitions import Transitions


@dataclass(frozen=True)
class StoredRows:
    """A function that returns all rows of a source, and can read only some: a refit of a large buffer copies those.

    Attributes:
        count: Function that returns the number of all rows; it is called at a refresh, not at each batch.
        read: Function that returns the rows of increasing row numbers ``[k]``, or all rows for None.
    """

    count: Callable[[], int]
    read: Callable[[Array | None], Transitions]

    def __call__(self) -> Transitions:
        """Returns all rows."""
        return self.read(None)


RealRows = Mapping[str, Callable[[], Transitions]]
"""Functions that return the real rows of a source, in environment units; a source without rows is left out."""

Groups = dict[str, Transitions]
"""Rows by source."""

Split = dict[str, tuple[Transitions, Transitions]]
"""Rows to fit and rows to hold out, by source."""


def collect(
    real: RealRows, wanted: Collection[str], most: int | None, rng: np.random.Generator
) -> tuple[Groups, dict[str, int]]:
    """Reads the rows of the wanted sources, with the columns that all of these sources have.

    Args:
        real: Real rows by source.
        wanted: Names of the sources to read.
        most: Most rows of a source, chosen at random if it has more; None reads all.
        rng: Source of the choice. Nothing is drawn where all rows are read.

    Returns:
        The rows, and the number of all rows that each of these sources holds.
    """
    read = {name: _read(rows, most, rng) for name, rows in real.items() if name in wanted}
    return alike({name: rows for name, (rows, _) in read.items()}), {name: count for name, (_, count) in read.items()}


def _read(source: Callable[[], Transitions], most: int | None, rng: np.random.Generator) -> tuple[Transitions, int]:
    if isinstance(source, StoredRows):
        count = source.count()
        return source.read(_chosen(count, most, rng)), count
    rows = source()
    chosen = _chosen(len(rows), most, rng)
    return rows if chosen is None else rows[chosen], len(rows)


def _chosen(count: int, most: int | None, rng: np.random.Generator) -> Array | None:
    """Returns the numbers of ``most`` random rows in increasing order; None where all rows are wanted."""
    if most is None or count <= most:
        return None
    return np.sort(rng.choice(count, most, replace=False, shuffle=False))


def alike(groups: Groups) -> Groups:
    """Returns the groups with the columns that all of them have; truncations are not modelled."""
    leaves = {name: rows.leaves() for name, rows in groups.items()}
    if not leaves:
        return {}
    common = set.intersection(*(set(columns) for columns in leaves.values())) - {"truncations"}
    return {
        name: Transitions.from_leaves({k: v for k, v in columns.items() if k in common})
        for name, columns in leaves.items()
    }


def together(groups: Groups) -> Transitions:
    """Returns the rows of all groups, in order."""
    return Transitions.concatenate(list(groups.values())) if len(groups) > 1 else next(iter(groups.values()))


def labels(groups: Groups) -> Array:
    """Returns the source's name of each row of :func:`together`, ``[n]``."""
    return np.repeat(list(groups), [len(rows) for rows in groups.values()])


def named(groups: Groups, names: Collection[str]) -> Transitions:
    """Returns the rows of the named groups; no rows if none of them is there."""
    chosen = {name: rows for name, rows in groups.items() if name in names}
    return together(chosen) if chosen else next(iter(groups.values()))[:0]
