"""Numbers and scales of the features of the relabelling model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from synth_replay.codec.precision import EXACT_RESOLUTION
from synth_replay.spaces import Array, Leaf, as_matrix, one_hot

CLIP = 10.0
MAX_OFFSET = 1e4  # in standard deviations: float32 then still resolves a thousandth of one
HUGE = 1e30


@dataclass(frozen=True)
class Scale:
    """Mean and standard deviation of columns.

    Attributes:
        mean: Means ``[F]`` float64.
        std: Standard deviations ``[F]`` float64, 1 for constant columns.
    """

    mean: Array
    std: Array

    def __call__(self, values: Array) -> Array:
        """Standardises ``[n, F]``, clips the scores, and returns them as float32."""
        return np.clip((values - self.mean) / self.std, -CLIP, CLIP).astype(np.float32)

    def standardized(self, values: Array, columns: slice) -> Array:
        """Standardises float64 values of the given columns; others are returned unchanged."""
        return (values - self.mean[columns]) / self.std[columns] if values.dtype == np.float64 else values


def numbers(leaf: Leaf, array: Array) -> Array:
    """Returns a leaf's values as floats ``[n, F]``, with categories as one-hot columns."""
    flat = as_matrix(array)
    if leaf.kind == "continuous":
        exact = np.float32 if np.can_cast(flat.dtype, np.float32) else np.float64
        return flat if np.issubdtype(flat.dtype, np.floating) else flat.astype(exact)
    return one_hot(flat.astype(np.int64) - leaf.low.reshape(-1).astype(np.int64), leaf.categories)


def scale_of(values: Array) -> Scale:
    """Computes the scale of columns ``[n, F]``."""
    std = values.std(axis=0, dtype=np.float64)
    varies = (std > 1e-8) | (std > 1e-6 * np.abs(values).max(axis=0))  # the second for columns of tiny numbers
    return Scale(values.mean(axis=0, dtype=np.float64), np.where(varies, std, 1.0))


def wide_scale(parts: list[Array]) -> Scale | None:
    """Computes the scale of the columns that float32 cannot hold: large offsets, or numbers out of its range.

    Args:
        parts: Matrices of the features; only float64 ones have such columns.

    Returns:
        The scale of all columns side by side, with mean 0 and deviation 1 for ordinary ones; None if all are ordinary.
    """
    scales = [_wide(part) for part in parts]
    scale = Scale(np.concatenate([s.mean for s in scales]), np.concatenate([s.std for s in scales]))
    return scale if scale.mean.any() or (scale.std != 1).any() else None


def _wide(part: Array) -> Scale:
    if part.dtype != np.float64:
        return Scale(np.zeros(part.shape[1]), np.ones(part.shape[1]))
    mean, std, largest = part.mean(axis=0), part.std(axis=0), np.abs(part).max(axis=0)
    lost = (np.abs(mean) > MAX_OFFSET * std) | (largest > HUGE) | (largest < 1 / HUGE)
    lost &= std > EXACT_RESOLUTION * largest
    return Scale(np.where(lost, mean, 0.0), np.where(lost, std, 1.0))
