"""Half whitening of wide rows, and the choice between s' and s' - s for their next observations.

The latents of an encoder and the observations of a humanoid have about a hundred correlated columns, and a few
directions hold nearly all of their variance. Diffusion adds equal noise to every column: the highest noise level does
not hide the widest direction, and the narrow directions stay lost in noise until the last steps. Half whitening divides
each principal axis by the square root of its standard deviation. The axes then differ less in scale, and the narrowest,
which hold mostly noise, still count less than the widest. PCA whitening is described by Kessy, Lewin and Strimmer
(2018, The American Statistician 72); the half step is our own. ``benchmarks/latents.py`` measures it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from synth_replay.spaces import Array, Leaf, as_matrix

MIN_COLUMNS, MAX_COLUMNS = 64, 4096  # fewer do not need whitening; more would take minutes and gigabytes
MIN_OTHER_SHARE = 0.2  # of the loss, for actions and rewards beside many axes
MAX_TIE_SHARE = 0.05  # of the rows that have one value in a column
MIN_STD = 0.02  # narrower axes are divided as if they had this standard deviation


@dataclass(frozen=True)
class PrincipalAxes:
    """Invertible linear map of some columns to half-whitened principal axes.

    Attributes:
        columns: Indices ``[d]`` of the columns.
        mean: Mean ``[d]`` of the columns.
        forward_map: Matrix ``[d, d]`` from centred columns to axes.
        inverse_map: Matrix ``[d, d]`` from axes to centred columns.
        stds: Standard deviations ``[d]`` of the axes.
    """

    columns: Array
    mean: Array
    forward_map: Array
    inverse_map: Array
    stds: Array

    @classmethod
    def from_scores(cls, scores: Array, columns: Array) -> PrincipalAxes:
        """Computes the axes of ``scores[:, columns]``, scaled to a mean variance of 1.

        Args:
            scores: Scaled columns ``[n, D]``.
            columns: Indices ``[d]`` of the columns to whiten.
        """
        chosen = scores[:, columns].astype(np.float64)
        variances, axes = np.linalg.eigh(np.cov(chosen.T))
        stds = np.sqrt(np.maximum(variances, 0.0))
        divisors = np.sqrt(np.maximum(stds, MIN_STD))
        divisors *= np.sqrt(np.mean((stds / divisors) ** 2))
        return cls(columns, chosen.mean(axis=0), axes / divisors, (axes * divisors).T, stds / divisors)

    def loss_weights(self, columns: Array) -> Array:
        """Returns the columns' weights in the loss; the columns beside the axes have at least a fifth of the sum.

        Args:
            columns: Indices ``[D]`` of all columns of a row, including those of the axes.

        Returns:
            Weights ``[D]``, 1 on average.
        """
        whitened = np.isin(columns, self.columns)
        axes, others = whitened.sum(), (~whitened).sum()
        if not others or others / len(columns) >= MIN_OTHER_SHARE:
            return np.ones(len(columns))
        weights: Array = np.where(whitened, (1 - MIN_OTHER_SHARE) / axes, MIN_OTHER_SHARE / others) * len(columns)
        return weights

    def forward(self, rows: Array) -> Array:
        """Returns rows ``[n, D]`` with the columns replaced by their axes."""
        out = rows.copy()
        out[:, self.columns] = (rows[:, self.columns] - self.mean) @ self.forward_map
        return out

    def inverse(self, rows: Array) -> Array:
        """Returns rows ``[n, D]`` with the axes replaced by their columns."""
        out = rows.copy()
        out[:, self.columns] = rows[:, self.columns] @ self.inverse_map + self.mean
        return out


def delta_columns(leaf: Leaf, values: Array) -> Array:
    """Chooses the columns of wide next observations that are modelled as s' - s.

    The difference s' - s keeps integrated quantities (positions and velocities) accurate. It distorts the marginals of
    columns that have bounds or many equal values, such as contact forces and the latents of tanh and ReLU layers.
    ``benchmarks/wide.py`` measures both effects.

    Args:
        leaf: Leaf of the next observations.
        values: Its values ``[n, ...]`` in environment units.

    Returns:
        Whether each column is modelled as s' - s; ``[d]`` bool.
    """
    limit = np.finfo(np.float32).max  # many spaces write "no bound" as this number
    bounded = (leaf.low.reshape(-1) > -limit) & (leaf.high.reshape(-1) < limit)
    rows = np.sort(as_matrix(values)[:: max(1, len(values) // 10_000)], axis=0)
    count = max(1, int(MAX_TIE_SHARE * len(rows)))
    deltas: Array = ~bounded & ~(rows[count:] == rows[:-count]).any(axis=0)
    return deltas
