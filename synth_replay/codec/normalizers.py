"""Per-dimension scaling of continuous columns, and its inverse."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from synth_replay.spaces import Array

QUANTILE_KNOTS = 1001
RELATIVE_RESOLUTION = 1e-7  # a spread below this share of the magnitude is float32 rounding noise
HEAVY_TAIL = 50.0  # standard deviations beyond which a z-score is no input for a network


@dataclass(frozen=True)
class Affine:
    """Shift and scale of each dimension; constants are remembered and not modelled.

    Attributes:
        shift: ``[D]`` float64.
        scale: ``[D]`` float64, 1 for constant dimensions.
        varies: ``[D]`` bool, False where a dimension is constant up to float32 rounding.
    """

    shift: Array
    scale: Array
    varies: Array

    @classmethod
    def fit(cls, values: Array, standardize: bool = True) -> Affine:
        """Fits to ``values`` ``[n, D]``; with ``standardize=False`` only constants are found."""
        low, high, mean = values.min(axis=0), values.max(axis=0), values.mean(axis=0, dtype=np.float64)
        magnitude = np.maximum(np.abs(low), np.abs(high))
        varies = (high - low) > RELATIVE_RESOLUTION * magnitude
        scale = np.where(varies, values.std(axis=0, dtype=np.float64), 1.0)
        if not standardize:
            mean, scale = np.zeros_like(mean), np.ones_like(scale)
        return cls(np.where(varies, mean, low).astype(np.float64), np.where(scale > 0, scale, 1.0), varies)

    def forward(self, values: Array) -> Array:
        """``[n, D]`` in data units to standard units."""
        return (values - self.shift) / self.scale

    def inverse(self, values: Array) -> Array:
        """Standard units to data units; constant dimensions return their constant."""
        return values * np.where(self.varies, self.scale, 0.0) + self.shift


@dataclass(frozen=True)
class Quantile:
    """Monotone map of one dimension through a table of its quantiles.

    A value's score is a weighted mean of its rank-Gaussian score and its z-score. Ranks make marginals exact, also
    where a dimension piles up at a limit; the z-score keeps the gaps between clusters and the scale within them.
    Repeated values (a velocity clipped at 10, an action saturated at 1) own an interval of ranks:
    they are spread over it on the way in and come out exact.

    Attributes:
        knots: ``[K]`` increasing values, each distinct value of the table twice.
        scores: ``[K]`` non-decreasing scores.
    """

    knots: Array
    scores: Array

    @classmethod
    def fit(cls, values: Array, rng: np.random.Generator, rank_weight: float = 1.0) -> tuple[Quantile, Array]:
        """Fits the table, and scores the same values.

        Args:
            values: ``[n]``.
            rng: Spreads repeated values over their ranks.
            rank_weight: Weight of the rank-Gaussian score, in (0, 1].

        Returns:
            The table, and the scores ``[n]`` of ``values``.
        """
        positions = _knot_ranks(len(values))
        table = np.quantile(values, positions, method="hazen").astype(np.float64)
        unique, first = np.unique(table, return_index=True)
        last = np.r_[first[1:], len(positions)] - 1
        unique[0], unique[-1] = values.min(), values.max()
        knots, ranks = np.repeat(unique, 2), positions[np.stack([first, last], axis=1).reshape(-1)]
        linear = (1 - rank_weight) * (values - values.mean()) / (values.std() or 1.0)
        linear_knots = (1 - rank_weight) * (knots - values.mean()) / (values.std() or 1.0)
        fitted = cls(knots, rank_weight * _normal_score(ranks) + linear_knots)
        place = np.clip(np.searchsorted(knots, values), 0, len(knots) - 2)
        low, high = ranks[place], ranks[place + 1]
        repeated = (knots[place] == values) & (knots[place + 1] == values)
        within = rank_weight * _normal_score(low + rng.random(len(values)) * (high - low)) + linear
        return fitted, np.where(repeated, within, np.interp(values, knots, fitted.scores))

    def inverse(self, scores: Array) -> Array:
        """Scores to values within the range seen when fitting."""
        values: Array = np.interp(scores, self.scores, self.knots)
        return values


def _normal_score(ranks: Array) -> Array:
    scores: Array = torch.special.ndtri(torch.from_numpy(ranks)).numpy()
    return scores


def _knot_ranks(rows: int) -> Array:
    """Evenly spaced ranks, and ever closer ones towards both ends, where a few rows span a wide range."""
    even = (np.arange(min(QUANTILE_KNOTS, rows)) + 0.5) / min(QUANTILE_KNOTS, rows)
    end = np.log(2 * rows - 1)  # the log-odds of the first and last row's rank
    tails = 1 / (1 + np.exp(-np.linspace(-end, end, QUANTILE_KNOTS)))
    return np.unique(np.concatenate([even, tails]))


def heavy_tailed(scores: Array) -> bool:
    """Whether z-scores ``[n]`` reach values that a network should not be fed."""
    return bool(np.abs(scores).max() > HEAVY_TAIL)
