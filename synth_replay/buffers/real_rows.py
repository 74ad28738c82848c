"""Real rows by the source that they come from, as a refresh fits and scores them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

import numpy as np

from synth_replay.spaces import Array
from synth_replay.transitions import Transitions

RealRows = Mapping[str, Callable[[], Transitions]]
"""Functions that return the real rows of a source, in environment units; a source without rows is left out."""

Groups = dict[str, Transitions]
"""Rows by source."""


def collect(real: RealRows, wanted: Collection[str]) -> Groups:
    """Returns the rows of the wanted sources that have any, with the columns that all of them have."""
    return alike({name: rows() for name, rows in real.items() if name in wanted})


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
