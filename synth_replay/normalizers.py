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
    """Rank-Gaussian map of one dimension through a table of its quantiles.

    Repeated values (a velocity clipped at 10, an action saturated at 1) own an interval of ranks:
    they are spread over it on the way in and come out exact.

    Attributes:
        knots: ``[K]`` increasing values, each distinct value of the table twice.
        ranks: ``[K]`` non-decreasing ranks in (0, 1).
    """

    knots: Array
    ranks: Array

    @classmethod
    def fit(cls, values: Array) -> Quantile:
        """Fits to ``values`` ``[n]``."""
        positions = _knot_ranks(len(values))
        table = np.quantile(values, positions, method="hazen").astype(np.float64)
        unique, first = np.unique(table, return_index=True)
        last = np.r_[first[1:], len(positions)] - 1
        unique[0], unique[-1] = values.min(), values.max()
        return cls(np.repeat(unique, 2), positions[np.stack([first, last], axis=1).reshape(-1)])

    def forward(self, values: Array, rng: np.random.Generator) -> Array:
        """``[n]`` to standard normal scores."""
        ranks = np.interp(values, self.knots, self.ranks)
        place = np.clip(np.searchsorted(self.knots, values), 0, len(self.knots) - 2)
        low, high = self.ranks[place], self.ranks[np.minimum(place + 1, len(self.ranks) - 1)]
        atom = (self.knots[place] == values) & (self.knots[place + 1] == values)
        ranks = np.where(atom, low + rng.random(len(values)) * (high - low), ranks)
        scores: Array = torch.special.ndtri(torch.from_numpy(ranks)).numpy()
        return scores

    def inverse(self, scores: Array) -> Array:
        """Standard normal scores to values within the range seen when fitting."""
        ranks = torch.special.ndtr(torch.as_tensor(scores, dtype=torch.float64)).numpy()
        values: Array = np.interp(ranks, self.ranks, self.knots)
        return values


def _knot_ranks(rows: int) -> Array:
    """Evenly spaced ranks, and ever closer ones towards both ends, where a few rows span a wide range."""
    even = (np.arange(min(QUANTILE_KNOTS, rows)) + 0.5) / min(QUANTILE_KNOTS, rows)
    end = np.log(2 * rows - 1)  # the log-odds of the first and last row's rank
    tails = 1 / (1 + np.exp(-np.linspace(-end, end, QUANTILE_KNOTS)))
    return np.unique(np.concatenate([even, tails]))


def heavy_tailed(scores: Array) -> bool:
    """Whether z-scores ``[n]`` reach values that a network should not be fed."""
    return bool(np.abs(scores).max() > HEAVY_TAIL)
