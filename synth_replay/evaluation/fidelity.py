"""Marginals and correlations, by the definitions of SDMetrics that SynthER's Table 1 uses."""

from __future__ import annotations

import numpy as np

from synth_replay.spaces import Array, as_matrix
from synth_replay.transitions import Transitions

_NOT_COMPARED = ("terminations", "truncations")


def numeric_columns(transitions: Transitions) -> tuple[Array, list[str]]:
    """All modelled numbers as ``[n, D]`` float64, and a name for each, e.g. ``observations[3]``."""
    blocks, names = [], []
    for name, array in transitions.leaves().items():
        if name not in _NOT_COMPARED:
            block = as_matrix(array).astype(np.float64)
            blocks.append(block)
            names += [name] if array.ndim == 1 else [f"{name}[{i}]" for i in range(block.shape[1])]
    return np.concatenate(blocks, axis=1), names


def ks_complement(real: Array, synthetic: Array) -> Array:
    """1 - two-sample Kolmogorov-Smirnov statistic of each column (SDMetrics' KSComplement).

    Args:
        real: ``[n, D]``.
        synthetic: ``[m, D]``.

    Returns:
        ``[D]`` in [0, 1]; 1 is a perfect match.
    """
    real, synthetic = np.sort(real, axis=0), np.sort(synthetic, axis=0)
    gaps = np.empty(real.shape[1])
    for i in range(real.shape[1]):
        points = np.concatenate([real[:, i], synthetic[:, i]])
        below = np.searchsorted(real[:, i], points, side="right") / len(real)
        gaps[i] = np.abs(below - np.searchsorted(synthetic[:, i], points, side="right") / len(synthetic)).max()
    return 1 - gaps


def correlation_similarity(real: Array, synthetic: Array) -> float:
    """Mean over column pairs of ``1 - |r_real - r_synthetic| / 2``, Pearson's r (SDMetrics' CorrelationSimilarity).

    Pairs in which a column is constant in either data set have no correlation and are left out.

    Args:
        real: ``[n, D]``.
        synthetic: ``[m, D]``.

    Returns:
        A number in [0, 1]; 1 is a perfect match, NaN if there is no pair.
    """
    varies = (np.ptp(real, axis=0) > 0) & (np.ptp(synthetic, axis=0) > 0)
    if varies.sum() < 2:
        return float("nan")
    pairs = np.triu_indices(int(varies.sum()), k=1)
    a, b = (np.corrcoef(x[:, varies], rowvar=False)[pairs] for x in (real, synthetic))
    return float(np.mean(1 - np.abs(a - b) / 2))
