"""Precision of a column's dtype: the values that it can represent, and the differences that exceed rounding noise."""

from __future__ import annotations

from typing import Any

import numpy as np

from synth_replay.errors import InvalidTransitionsError
from synth_replay.spaces import Array, Leaf, as_matrix

FLOAT32_RESOLUTION = 1e-7  # a range below this share of the magnitude is float32 rounding noise
EXACT_RESOLUTION = 1e-13  # a range below this share of the magnitude is float64 rounding noise
MAX_MAGNITUDE = 1e140
"""Largest number that can be modelled; squares of larger ones leave the range of float64."""
HEADROOM = 4.0  # so that differences, and values slightly outside the observed range, stay finite
VISIBLE_ROUNDING = 0.01  # share of a column's standard deviation


def resolution(leaf: Leaf, array: Array) -> float:
    """Returns the share of the magnitude below which a column's range is rounding noise; the coarser dtype counts.

    Args:
        leaf: Column, with the dtype of generated rows.
        array: Real values ``[n, *shape]``, whose dtype may differ.
    """
    if array.dtype.kind in "iu":  # no rounding noise: any difference that the modelled dtype can represent counts
        return float(np.finfo(_modelled(leaf)).eps) / 4
    coarse = any(np.issubdtype(t, np.floating) and np.finfo(t).eps > 1e-12 for t in (leaf.dtype, array.dtype))
    return FLOAT32_RESOLUTION if coarse else EXACT_RESOLUTION


def representable(dtype: np.dtype[Any]) -> tuple[float, float]:
    """Returns the least and the largest float64 that a cast to ``dtype`` keeps finite and in range."""
    if np.issubdtype(dtype, np.floating):
        largest = float(np.finfo(dtype).max)
        return -largest, largest
    if dtype.kind == "b":
        return 0.0, 1.0
    info = np.iinfo(dtype)
    low, high = float(info.min), float(info.max)
    return low, high if int(high) <= info.max else float(np.nextafter(high, 0.0))


def check_magnitudes(leaf: Leaf, array: Array) -> None:
    """Checks that a continuous column has no values that are too large to be modelled.

    Raises:
        InvalidTransitionsError: If it has such a value; the message names the column.
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
    """Returns the indices of a column's elements that lose visible precision in the dtype in which they are modelled.

    A column is modelled in the dtype of generated rows, or in float64 if that dtype is an integer. A float32 holds
    seven digits and a float64 sixteen: 1e8 and 1e8 + 1 are the same float32, 2**60 and 2**60 + 1 are the same float64.
    An element is returned if rounding moves one of its values by more than a hundredth of its standard deviation.
    Elements whose whole range is rounding noise are left out.

    Args:
        leaf: Column, with the dtype of generated rows.
        array: Real values ``[n, *shape]``.
    """
    target = _modelled(leaf)
    if leaf.kind != "continuous" or not len(array) or _holds(target, array.dtype):
        return []
    values = as_matrix(array)
    rounded = values.astype(target).astype(np.float64)
    if array.dtype.kind in "iu":
        lowest = values.argmin(axis=0)[None]
        rounded = rounded - np.take_along_axis(rounded, lowest, axis=0)
        exact = _distances(values)
        varies = np.ptp(exact, axis=0) > 0
    else:
        exact = values.astype(np.float64)
        varies = np.ptp(exact, axis=0) > EXACT_RESOLUTION * np.abs(exact).max(axis=0)
    moved = np.abs(rounded - exact).max(axis=0)
    return np.flatnonzero(varies & (moved > VISIBLE_ROUNDING * exact.std(axis=0))).tolist()


def rounding_note(leaf: Leaf, array: Array) -> str | None:
    """Returns a warning for the user if a column loses visible precision (:func:`rounded_columns`), else None."""
    rounded = rounded_columns(leaf, array)
    if not rounded:
        return None
    of = f" of the elements {', '.join(map(str, rounded[:8]))}" if leaf.size > 1 else ""
    name = np.dtype(leaf.dtype).name
    how = f"generated values are {name}" if leaf.dtype.kind == "f" else f"{name} values are modelled as float64"
    return (
        f"{leaf.name}: {how}, whose precision is too low for the real values{of}, so distinct values become equal. "
        "Subtract a constant offset before fitting, or use a float64 space (rewards, discounts and returns are always "
        "float32)."
    )


def _modelled(leaf: Leaf) -> np.dtype[Any]:
    """Returns the floating dtype in which a column is modelled."""
    return leaf.dtype if np.issubdtype(leaf.dtype, np.floating) else np.dtype(np.float64)


def _holds(target: np.dtype[Any], dtype: np.dtype[Any]) -> bool:
    """Whether ``target`` represents every value of ``dtype``; unlike in NumPy's rule, float64 does not hold int64."""
    return np.can_cast(dtype, target) and not (dtype.kind in "iu" and dtype.itemsize >= target.itemsize)


def _distances(values: Array) -> Array:
    """Returns the float64 distance of integers ``[n, D]`` to the smallest value of their column, without overflow."""
    unsigned = values.astype(np.uint64)  # the difference modulo 2**64 is the distance, also for negative numbers
    distances: Array = unsigned - values.min(axis=0).astype(np.uint64)
    return distances.astype(np.float64)
