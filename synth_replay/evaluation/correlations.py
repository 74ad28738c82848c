"""Correlation matrices, and the pair of columns whose correlation is furthest off."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from synth_replay.spaces import Array


class PairGap(NamedTuple):
    """Two columns and their correlation in real and in generated rows."""

    first: str
    second: str
    real: float
    synthetic: float

    @property
    def gap(self) -> float:
        """Absolute difference of the two correlations, in [0, 2]."""
        return abs(self.real - self.synthetic)


def correlation_matrix(values: Array) -> Array:
    """Pearson's r of every pair of columns; NaN where a column is constant.

    Args:
        values: ``[n, D]``.

    Returns:
        ``[D, D]``.
    """
    matrix = np.full((values.shape[1], values.shape[1]), np.nan)
    varies = np.flatnonzero(np.ptp(values, axis=0) > 0)
    if len(varies):
        matrix[np.ix_(varies, varies)] = np.corrcoef(values[:, varies], rowvar=False)
    return matrix


def largest_gaps(real: Array, synthetic: Array, names: list[str], count: int = 1) -> list[PairGap]:
    """The pairs whose correlations differ most, worst first.

    Args:
        real: ``[D, D]`` correlations.
        synthetic: The same of generated rows.
        names: ``D`` column names.
        count: At most so many pairs; fewer where too few have a correlation.
    """
    upper = np.triu(np.ones(real.shape, bool), k=1)
    gaps = np.where(upper, np.nan_to_num(np.abs(real - synthetic), nan=-1.0), -1.0).ravel()
    order = np.argsort(-gaps, kind="stable")[:count]
    pairs = [divmod(int(k), len(names)) for k in order if gaps[k] >= 0]
    return [PairGap(names[i], names[j], float(real[i, j]), float(synthetic[i, j])) for i, j in pairs]
