"""What the numbers of a column can represent: their range, and the differences that are more than rounding."""

from __future__ import annotations

from typing import Any

import numpy as np

from synth_replay.errors import InvalidTransitionsError
from synth_replay.spaces import Array, Leaf, as_matrix

FLOAT32_RESOLUTION = 1e-7  # a range below this share of the magnitude is float32 rounding noise
EXACT_RESOLUTION = 1e-13  # the same for float64 and for integers, which are modelled as float64
MAX_MAGNITUDE = 1e140
"""Largest number that can be modelled; squares of larger ones leave the range of float64."""
HEADROOM = 4.0  # differences of two values, and values a little beyond the observed ones, stay finite
VISIBLE_ROUNDING = 0.01  # of a column's standard deviation


def resolution(leaf: Leaf, array: Array) -> float:
    """Returns the share of the magnitude below which a column's range is rounding noise, by the coarser dtype.

    Args:
        leaf: Column, with the dtype of generated rows.
        array: Real values, whose dtype may differ.
    """
    coarse = any(np.issubdtype(t, np.floating) and np.finfo(t).eps > 1e-12 for t in (leaf.dtype, array.dtype))
    return FLOAT32_RESOLUTION if coarse else EXACT_RESOLUTION


def representable(dtype: np.dtype[Any]) -> tuple[float, float]:
    """Returns the least and the largest float64 that a cast to ``dtype`` keeps finite and in range."""
    if np.issubdtype(dtype, np.floating):
        largest = float(np.finfo(dtype).max)
        return -largest, largest
    info = np.iinfo(dtype)
    low, high = float(info.min), float(info.max)
    return low, high if int(high) <= info.max else float(np.nextafter(high, 0.0))


def check_magnitudes(leaf: Leaf, array: Array) -> None:
    """Checks that a continuous column has no values that are too large to be modelled.

    Raises:
        InvalidTransitionsError: If it has; the message names the column.
    """
    if leaf.kind != "continuous" or not array.size:
        return
    integer = not np.issubdtype(leaf.dtype, np.floating)
    limit = MAX_MAGNITUDE if integer else min(float(np.finfo(leaf.dtype).max) / HEADROOM, MAX_MAGNITUDE)
    largest = max(abs(float(array.max())), abs(float(array.min())))
    if largest > limit:
        raise InvalidTransitionsError(
            f"{leaf.name} holds a value of magnitude {largest:.3g}; at most {limit:.2g} can be modelled as "
            f"{np.dtype(leaf.dtype).name}. Rescale this column, or drop such rows."
        )


def rounded_columns(leaf: Leaf, array: Array) -> list[int]:
    """Returns the elements of a column whose values are visibly changed by the dtype of generated rows.

    A float32 holds seven digits: 1e8 and 1e8 + 1 are the same number. An element counts where rounding moves a value by
    more than a hundredth of the standard deviation, and its range is no rounding noise itself.

    Args:
        leaf: Column, with the dtype of generated rows.
        array: Real values ``[n, *shape]``.
    """
    target = leaf.dtype if np.issubdtype(leaf.dtype, np.floating) else np.dtype(np.float64)
    if leaf.kind != "continuous" or not len(array) or np.can_cast(array.dtype, target):
        return []
    values = as_matrix(array)
    exact = values.astype(np.float64)
    moved = np.abs(values.astype(target).astype(np.float64) - exact).max(axis=0)
    varies = np.ptp(exact, axis=0) > EXACT_RESOLUTION * np.abs(exact).max(axis=0)
    return np.flatnonzero(varies & (moved > VISIBLE_ROUNDING * exact.std(axis=0))).tolist()
