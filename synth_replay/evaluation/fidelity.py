"""Marginal and correlation scores, by the definitions of SDMetrics that SynthER's Table 1 uses."""

from __future__ import annotations

import numpy as np

from synth_replay.codec.precision import MAX_MAGNITUDE
from synth_replay.errors import InvalidTransitionsError
from synth_replay.spaces import Array, as_matrix
from synth_replay.transitions import Transitions

_NOT_COMPARED = ("terminations", "truncations")


def numeric_columns(transitions: Transitions) -> tuple[Array, list[str]]:
    """Returns all modelled numbers as a matrix ``[n, D]`` float64, and ``D`` names such as ``observations[3]``.

    Terminations and truncations are left out.
    """
    blocks, names = [], []
    for name, array in transitions.leaves().items():
        if name not in _NOT_COMPARED:
            block = as_matrix(array).astype(np.float64)
            blocks.append(block)
            names += [name] if array.ndim == 1 else [f"{name}[{i}]" for i in range(block.shape[1])]
    return np.concatenate(blocks, axis=1), names


def check_columns(label: str, values: Array, names: list[str]) -> None:
    """Checks that no number is so large that its square leaves the range of float64.

    Args:
        label: Name of the rows, for the message.
        values: Rows ``[n, D]``.
        names: Names of the ``D`` columns.

    Raises:
        InvalidTransitionsError: If there is such a number; the message names its column.
    """
    largest = np.abs(values).max(axis=0, initial=0.0)
    if (largest > MAX_MAGNITUDE).any():
        column = int(largest.argmax())
        raise InvalidTransitionsError(
            f"{label}: {names[column]} holds a value of magnitude {largest[column]:.3g}; at most {MAX_MAGNITUDE:.2g} "
            "can be compared. Rescale this column, or drop such rows."
        )


def ks_complement(real: Array, synthetic: Array) -> Array:
    """Computes 1 minus the two-sample Kolmogorov-Smirnov statistic of each column (SDMetrics' KSComplement).

    Args:
        real: Real rows ``[n, D]``.
        synthetic: Generated rows ``[m, D]``.

    Returns:
        Scores ``[D]`` in [0, 1]; 1 is a perfect match.
    """
    real, synthetic = np.sort(real, axis=0), np.sort(synthetic, axis=0)
    gaps = np.empty(real.shape[1])
    for i in range(real.shape[1]):
        points = np.concatenate([real[:, i], synthetic[:, i]])
        below = np.searchsorted(real[:, i], points, side="right") / len(real)
        gaps[i] = np.abs(below - np.searchsorted(synthetic[:, i], points, side="right") / len(synthetic)).max()
    return 1 - gaps


def correlation_similarity(real: Array, synthetic: Array) -> float:
    """Averages ``1 - |r_real - r_synthetic| / 2`` over pairs of columns (SDMetrics' CorrelationSimilarity).

    The correlation r is Pearson's. Pairs with a column that is constant in either data set have none and are left out.

    Args:
        real: Real rows ``[n, D]``.
        synthetic: Generated rows ``[m, D]``.

    Returns:
        A number in [0, 1]; 1 is a perfect match, NaN if there is no pair.
    """
    varies = (np.ptp(real, axis=0) > 0) & (np.ptp(synthetic, axis=0) > 0)
    if varies.sum() < 2:
        return float("nan")
    pairs = np.triu_indices(int(varies.sum()), k=1)
    a, b = (np.corrcoef(x[:, varies], rowvar=False)[pairs] for x in (real, synthetic))
    return float(np.mean(1 - np.abs(a - b) / 2))
