"""Measures of support: values outside the observed range, and observations far from all real ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from synth_replay.evaluation.copying import Copies, NearestFitted
from synth_replay.report.rows import Rows
from synth_replay.spaces import Array, as_matrix
from synth_replay.transitions import Transitions

FAR_PERCENTILE = 99.0
ROUNDING = 1e-5  # of a column's range
BLOCKS = ("observations", "next_observations")


class RangeGap(NamedTuple):
    """The column in which most generated values lie outside the range of the fitted rows.

    Attributes:
        column: Name of the column.
        share: Share of generated values outside the range.
        chance: Share that further real rows could have: that of the held-out rows, or the expected one if it is larger,
            plus two standard errors.
        low: Smallest value of the fitted rows.
        high: Largest value of the fitted rows.
        reach: Generated value that is furthest outside, or the one nearest to leaving the range.
    """

    column: str
    share: float
    chance: float
    low: float
    high: float
    reach: float


@dataclass(frozen=True)
class FarRows:
    """Observations that lie further from the nearest fitted one than 99 % of the real ones do.

    Attributes:
        column: Kind of observations with the larger share: ``observations`` or ``next_observations``.
        share: Share of the generated ones; 0.01 for perfect rows.
        chance: Two standard errors of that share.
    """

    column: str
    share: float
    chance: float


def range_gap(rows: Rows) -> RangeGap:
    """Finds the column in which most generated values lie outside the range of the fitted rows."""
    low, high = rows.fitted_values.min(axis=0), rows.fitted_values.max(axis=0)
    slack = ROUNDING * (high - low) + _precisions(rows.synthetic) * np.maximum(np.abs(low), np.abs(high))
    shares, real = (_outside(values, low - slack, high + slack) for values in (rows.synthetic_values, rows.real_values))
    expected = np.maximum(real, 2 / (len(rows.fitted) + 1))  # the second: that a further row is the smallest or largest
    chances = expected + 2 * np.sqrt(expected * (1 / len(rows.synthetic) + 1 / len(rows.real)))
    worst = int((shares - chances).argmax())
    column = rows.synthetic_values[:, worst]
    reach = column[np.maximum(column - high[worst], low[worst] - column).argmax()]
    found = (shares[worst], chances[worst], low[worst], high[worst], reach)
    return RangeGap(rows.names[worst], *map(float, found))


def _outside(values: Array, low: Array, high: Array) -> Array:
    shares: Array = ((values > high) | (values < low)).mean(axis=0)
    return shares


def far_rows(rows: Rows, copies: Copies) -> FarRows | None:
    """Measures how many observations lie far from all fitted ones, without regard to the other columns.

    A pair (cos, sin) off the unit circle is in the range of both columns, and close to the data in the space of all
    columns; in the space of the observations it is far from all real ones.

    Args:
        rows: Rows of the report.
        copies: Distances of whole rows; the same rows are measured here.
    """
    found = [far for block in BLOCKS if (far := _far(rows, copies, block)) is not None]
    return max(found, key=lambda far: far.share, default=None)


def _far(rows: Rows, copies: Copies, block: str) -> FarRows | None:
    columns = [i for i, name in enumerate(rows.names) if name.split("[")[0].split("/")[0] == block]
    chosen = copies.baseline_rows
    if not columns or len(chosen) < 2:
        return None
    nearest = NearestFitted(rows.fitted_values[:, columns])
    real = nearest(rows.real_values[chosen][:, columns], None if rows.held_out else chosen)
    made = nearest(rows.synthetic_values[: len(copies.distances), columns])
    share = float(np.mean(made > np.percentile(real, FAR_PERCENTILE)))
    expected = 1 - FAR_PERCENTILE / 100
    chance = 2 * float(np.sqrt(expected * (1 - expected) * (1 / len(real) + 1 / len(made))))
    return FarRows(block, share, chance)


def _precisions(rows: Transitions) -> Array:
    """Returns the rounding error of each compared column, relative to its magnitude."""
    leaves = {name: array for name, array in rows.leaves().items() if name not in ("terminations", "truncations")}
    kinds = [np.finfo(a.dtype).eps if np.issubdtype(a.dtype, np.floating) else 0.0 for a in leaves.values()]
    return np.repeat(kinds, [as_matrix(a).shape[1] for a in leaves.values()])
