"""Invertible scaling of single columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from synth_replay.codec.precision import FLOAT32_RESOLUTION
from synth_replay.spaces import Array

QUANTILE_KNOTS = 1001
HEAVY_TAIL = 50.0  # a z-score beyond this destabilises a network


@dataclass(frozen=True)
class Affine:
    """Shift and scale of each column. Constant columns keep their value and are not modelled.

    Attributes:
        shift: Mean of each column, or the value of a constant one; ``[D]`` float64.
        scale: Standard deviation of each column, 1 for constant ones; ``[D]`` float64.
        varies: Whether each column varies by more than rounding; ``[D]`` bool.
    """

    shift: Array
    scale: Array
    varies: Array

    @classmethod
    def from_values(cls, values: Array, resolution: Array | float = FLOAT32_RESOLUTION) -> Affine:
        """Computes shift and scale of columns.

        Args:
            values: Columns ``[n, D]``.
            resolution: Share of the magnitude below which a range is rounding noise; ``[D]``, or one number for all.
        """
        low, high, mean = values.min(axis=0), values.max(axis=0), values.mean(axis=0, dtype=np.float64)
        magnitude = np.maximum(np.abs(low), np.abs(high))
        varies = (high - low) > resolution * magnitude
        scale = np.where(varies, values.std(axis=0, dtype=np.float64), 1.0)
        scale = np.where(scale > 0, scale, high - low)  # the standard deviation of values below 1e-160 underflows to 0
        return cls(np.where(varies, mean, low).astype(np.float64), scale, varies)

    def forward(self, values: Array) -> Array:
        """Converts ``[n, D]`` from data units to standard units."""
        return (values - self.shift) / self.scale

    def inverse(self, values: Array) -> Array:
        """Converts ``[n, D]`` from standard units to data units; constant columns get their value."""
        return values * np.where(self.varies, self.scale, 0.0) + self.shift


@dataclass(frozen=True)
class Quantile:
    """Monotone map of one column through a table of its quantiles.

    The score of a value is a weighted mean of its rank-Gaussian score and its z-score. Ranks make marginals exact, also
    where many values equal a limit; the z-score keeps the gaps between clusters and the scale within them. A repeated
    value (a velocity clipped at 10, an action saturated at 1) occupies an interval of ranks. Its scores are spread over
    that interval, and all of them invert to the exact value.

    Attributes:
        knots: Increasing values ``[K]``, each distinct value of the table twice.
        scores: Non-decreasing scores ``[K]`` of the knots.
    """

    knots: Array
    scores: Array

    @classmethod
    def from_values(cls, values: Array, rng: np.random.Generator, weight: float = 1.0) -> tuple[Quantile, Array]:
        """Builds the table of one column and scores the same values, which needs their ranks.

        Args:
            values: Column ``[n]``.
            rng: Source of the ranks of repeated values.
            weight: Weight of the rank-Gaussian score against the z-score, in (0, 1].

        Returns:
            The table and the scores ``[n]`` of ``values``.
        """
        positions = _knot_ranks(len(values))
        table = np.quantile(values, positions, method="hazen").astype(np.float64)
        unique, first = np.unique(table, return_index=True)
        last = np.r_[first[1:], len(positions)] - 1
        unique[0], unique[-1] = values.min(), values.max()
        knots, ranks = np.repeat(unique, 2), positions[np.stack([first, last], axis=1).reshape(-1)]
        linear = (1 - weight) * (values - values.mean()) / (values.std() or 1.0)
        linear_knots = (1 - weight) * (knots - values.mean()) / (values.std() or 1.0)
        fitted = cls(knots, weight * _normal_score(ranks) + linear_knots)
        place = np.clip(np.searchsorted(knots, values), 0, len(knots) - 2)
        low, high = ranks[place], ranks[place + 1]
        repeated = (knots[place] == values) & (knots[place + 1] == values)
        within = weight * _normal_score(low + rng.random(len(values)) * (high - low)) + linear
        return fitted, np.where(repeated, within, np.interp(values, knots, fitted.scores))

    def inverse(self, scores: Array) -> Array:
        """Converts scores ``[n]`` to values within the range of the fitted ones."""
        values: Array = np.interp(scores, self.scores, self.knots)
        return values


def _normal_score(ranks: Array) -> Array:
    scores: Array = torch.special.ndtri(torch.from_numpy(ranks)).numpy()
    return scores


def _knot_ranks(rows: int) -> Array:
    """Returns evenly spaced ranks, and denser ones towards both tails, where few rows span a wide range."""
    even = (np.arange(min(QUANTILE_KNOTS, rows)) + 0.5) / min(QUANTILE_KNOTS, rows)
    extreme = np.log(2 * rows - 1)  # the log-odds of the last row's rank
    tails = 1 / (1 + np.exp(-np.linspace(-extreme, extreme, QUANTILE_KNOTS)))
    return np.unique(np.concatenate([even, tails]))


def heavy_tailed(scores: Array) -> bool:
    """Tells whether z-scores ``[n]`` are too large for a network's input."""
    return bool(np.abs(scores).max() > HEAVY_TAIL)
