"""The observed range of continuous columns, to which generated values are clipped."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from synth_replay.spaces import Array, Leaf, as_matrix


@dataclass(frozen=True)
class Support:
    """Least and largest value of each continuous column of the fitted rows.

    Attributes:
        coded: Bounds ``[2, D]`` of the columns as they are modelled: s' - s where a row holds the difference.
        values: Bounds ``[2, D]`` of the columns in environment units.
    """

    coded: Array
    values: Array

    @classmethod
    def from_values(
        cls, coded: Array, leaves: dict[str, Array], slots: list[tuple[Leaf, slice]], deltas: Collection[str]
    ) -> Support:
        """Computes the ranges; flags and one-hot columns are unbounded.

        Args:
            coded: Columns ``[n, D]`` as they are modelled.
            leaves: Columns in environment units, by name.
            slots: Leaves and their columns.
            deltas: Names of the leaves whose columns may be modelled as s' - s.
        """
        bounds = _observed(coded)
        support = cls(bounds, bounds.copy())
        for leaf, columns in slots:
            if leaf.kind == "categorical":
                bounds[:, columns] = support.values[:, columns] = [[-np.inf], [np.inf]]
            elif leaf.name in deltas:
                support.values[:, columns] = _observed(as_matrix(leaves[leaf.name]))
        return support

    @classmethod
    def unbounded(cls, columns: int) -> Support:
        """Returns bounds that allow every value."""
        bounds = np.stack([np.full(columns, -np.inf), np.full(columns, np.inf)])
        return cls(bounds, bounds)

    def widened(self, margin: float) -> Support:
        """Returns bounds that are wider on each side by ``margin`` times the range."""
        return Support(*(_widened(bounds, margin) for bounds in (self.coded, self.values)))


def _observed(values: Array) -> Array:
    return np.stack([values.min(axis=0), values.max(axis=0)]).astype(np.float64)


def _widened(bounds: Array, margin: float) -> Array:
    with np.errstate(invalid="ignore"):  # infinite bounds, of columns without a range
        more = margin * (bounds[1] - bounds[0]) if margin else np.zeros(bounds.shape[1])
    widened: Array = bounds + np.stack([-more, more])
    return widened
