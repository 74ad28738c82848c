"""Correlation matrices, and the pairs of columns whose correlations differ most."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from synth_replay.spaces import Array


class CorrelationGap(NamedTuple):
    """Two columns and their correlation in real and in generated rows.

    Attributes:
        first: Name of the first column.
        second: Name of the second column.
        real: Correlation in real rows, in [-1, 1].
        synthetic: Correlation in generated rows, in [-1, 1].
    """

    first: str
    second: str
    real: float
    synthetic: float

    @property
    def gap(self) -> float:
        """Absolute difference of the two correlations, in [0, 2]."""
        return abs(self.real - self.synthetic)


def correlation_matrix(values: Array) -> Array:
    """Computes Pearson's r of every pair of columns; NaN where a column is constant.

    Args:
        values: Rows ``[n, D]``.

    Returns:
        Correlations ``[D, D]`` in [-1, 1].
    """
    matrix = np.full((values.shape[1], values.shape[1]), np.nan)
    varies = np.flatnonzero(np.ptp(values, axis=0) > 0)
    if len(varies):
        matrix[np.ix_(varies, varies)] = np.corrcoef(values[:, varies], rowvar=False)
    return matrix


def largest_correlation_gaps(real: Array, synthetic: Array, names: list[str], count: int = 1) -> list[CorrelationGap]:
    """Finds the pairs of columns whose correlations differ most, worst first.

    Args:
        real: Correlations ``[D, D]`` of real rows.
        synthetic: Correlations ``[D, D]`` of generated rows.
        names: Names of the ``D`` columns.
        count: Most pairs to return; pairs without a correlation are left out.
    """
    upper = np.triu(np.ones(real.shape, bool), k=1)
    gaps = np.where(upper, np.nan_to_num(np.abs(real - synthetic), nan=-1.0), -1.0).ravel()
    order = np.argsort(-gaps, kind="stable")[:count]
    pairs = [divmod(int(k), len(names)) for k in order if gaps[k] >= 0]
    return [CorrelationGap(names[i], names[j], float(real[i, j]), float(synthetic[i, j])) for i, j in pairs]
