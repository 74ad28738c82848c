"""Wide rows: their principal axes, and which of their next observations are modelled as deltas.

The latents of an encoder, or the observations of a humanoid, are a hundred columns that move together: a few
directions hold nearly all of the spread. Diffusion adds the same noise to every column, so the widest direction is not
yet hidden at the highest noise level, and the narrow ones are lost in noise until the last steps. Half whitening (each
axis divided by the square root of its standard deviation) brings the axes closer to one another, and does not make the
narrowest, which are mostly noise themselves, as important as the widest. PCA whitening is that of Kessy, Lewin and
Strimmer (2018, The American Statistician 72); to go half of the way is ours. ``benchmarks/latents.py`` measures it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from synth_replay.spaces import Array, Leaf, as_matrix

WIDE, WIDEST = 64, 4096  # fewer columns do not need axes; more would take minutes and gigabytes
OTHERS_SHARE = 0.2  # of the loss at least, for actions and rewards beside so many axes
PILED = 0.05  # share of rows with one and the same value
FLOOR = 0.02  # standard deviations of narrower axes count as this


@dataclass(frozen=True)
class PrincipalAxes:
    """Invertible linear map of some columns to half-whitened principal axes.

    Attributes:
        columns: ``[d]`` indices of the columns.
        mean: ``[d]``.
        forward_map: ``[d, d]``, from centred columns to axes.
        inverse_map: ``[d, d]``.
        spreads: ``[d]`` standard deviations of the axes.
    """

    columns: Array
    mean: Array
    forward_map: Array
    inverse_map: Array
    spreads: Array

    @classmethod
    def fit(cls, rows: Array, columns: Array) -> PrincipalAxes:
        """Axes of ``rows[:, columns]``, of unit variance on average.

        Args:
            rows: ``[n, D]``.
            columns: ``[d]`` indices.
        """
        chosen = rows[:, columns].astype(np.float64)
        variances, axes = np.linalg.eigh(np.cov(chosen.T))
        spreads = np.sqrt(np.maximum(variances, 0.0))
        divisors = np.sqrt(np.maximum(spreads, FLOOR))
        divisors *= np.sqrt(np.mean((spreads / divisors) ** 2))
        return cls(columns, chosen.mean(axis=0), axes / divisors, (axes * divisors).T, spreads / divisors)

    def loss_weights(self, columns: Array) -> Array:
        """Weights of a row's columns in the loss, 1 on average; all but the axes have at least a fifth of the sum.

        Args:
            columns: ``[D]`` indices of all columns of a row, those of the axes among them.

        Returns:
            ``[D]``.
        """
        rotated = np.isin(columns, self.columns)
        axes, others = rotated.sum(), (~rotated).sum()
        if not others or others / len(columns) >= OTHERS_SHARE:
            return np.ones(len(columns))
        weights: Array = np.where(rotated, (1 - OTHERS_SHARE) / axes, OTHERS_SHARE / others) * len(columns)
        return weights

    def forward(self, rows: Array) -> Array:
        """``[n, D]`` with the columns replaced by axes."""
        out = rows.copy()
        out[:, self.columns] = (rows[:, self.columns] - self.mean) @ self.forward_map
        return out

    def inverse(self, rows: Array) -> Array:
        """Undoes :meth:`forward`."""
        out = rows.copy()
        out[:, self.columns] = rows[:, self.columns] @ self.inverse_map + self.mean
        return out


def delta_columns(leaf: Leaf, values: Array) -> Array:
    """Which columns of wide next observations are modelled as s' - s.

    A delta keeps what simulators integrate (positions and velocities) accurate. It spoils the marginals of what has
    bounds or piles up at a value: the latents of tanh and ReLU layers, contact forces. ``benchmarks/wide.py`` measures
    it.

    Args:
        leaf: Of the next observations.
        values: ``[n, ...]`` of it, in environment units.

    Returns:
        ``[d]`` bool.
    """
    limit = np.finfo(np.float32).max  # which stands for no bound in many spaces
    bounded = (leaf.low.reshape(-1) > -limit) & (leaf.high.reshape(-1) < limit)
    rows = np.sort(as_matrix(values)[:: max(1, len(values) // 10_000)], axis=0)
    count = max(1, int(PILED * len(rows)))
    deltas: Array = ~bounded & ~(rows[count:] == rows[:-count]).any(axis=0)
    return deltas
