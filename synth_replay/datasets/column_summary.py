"""Summary of a column of numbers in one pass: range, whether all are whole, and whether float32 would merge values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from synth_replay.errors import DatasetFormatError, InvalidTransitionsError
from synth_replay.spaces import Array, as_matrix

SAMPLED_ROWS = 4096  # rows at the start of each block that are tested for merged values
MOST_ROWS = 1 << 20  # rows of a column after which the test stops
KEPT_SHARE = 0.9  # float32 merges values if it keeps a smaller share of the distinct ones
NOISE = 2.0**-40  # a range below this share of the magnitude is float64 rounding noise


@dataclass(frozen=True)
class Summary:
    """Range and kind of the numbers in a column.

    Attributes:
        head: Zero-row block ``[0, *shape]``.
        low: Smallest value ``[*shape]`` of each dimension.
        high: Largest value ``[*shape]`` of each dimension.
        whole: Whether every value is a whole number.
        merges: Whether float32 would merge values that differ.
    """

    head: Array
    low: Array
    high: Array
    whole: bool
    merges: bool


def summarize(path: Path, name: str, blocks: Iterable[Array]) -> Summary:
    """Summarises a column.

    Args:
        path: File to name in errors.
        name: Name of the column, for errors.
        blocks: The column in blocks, ``[n, *shape]`` each.

    Raises:
        DatasetFormatError: If blocks differ in kind or shape, are not rows of numbers, or hold no rows.
        InvalidTransitionsError: If a value is not finite.
    """
    found: Summary | None = None
    start = 0
    for block in blocks:
        if block.ndim == 0 or block.dtype.kind not in "biuf":
            raise DatasetFormatError(f"{path}: {name} are {block.dtype} of shape {block.shape}, not rows of numbers.")
        if len(block):
            _require_finite(path, name, block, start)
            found = _extend(name, found, block)
        start += len(block)
    if found is None:
        raise DatasetFormatError(f"{path} holds no transitions.")
    return found


def merges_in_float32(blocks: Iterable[Array]) -> bool:
    """Whether float32 would merge values of a column that differ, judged by the start of each block.

    Reading stops after about a million rows.

    Args:
        blocks: The column in blocks, ``[n, *shape]`` each.
    """
    rows = 0
    for block in blocks:
        if block.ndim == 0:
            break  # not a column: the reader refuses it later
        if len(block) and block.dtype.kind == "f" and block.dtype.itemsize > 4 and _merges(block):
            return True
        rows += len(block)
        if rows >= MOST_ROWS:
            break
    return False


def _require_finite(path: Path, name: str, block: Array, start: int) -> None:
    bad = np.flatnonzero(~np.isfinite(as_matrix(block)).all(axis=1))
    if len(bad):
        raise InvalidTransitionsError(
            f"{path}: {name} hold NaN or infinity, first in row {start + int(bad[0])} of the column (from 0). Drop "
            "these rows before the dataset is used."
        )


def _extend(name: str, found: Summary | None, block: Array) -> Summary:
    low, high = block.min(axis=0), block.max(axis=0)
    wide = block.dtype.kind == "f"
    whole = not wide or bool((block == np.round(block)).all())
    merges = wide and block.dtype.itemsize > 4 and _merges(block)
    if found is None:
        return Summary(block[:0], low, high, whole, merges)
    require_same_kind(name, found.head, block)
    low, high = np.minimum(found.low, low), np.maximum(found.high, high)
    return Summary(found.head, low, high, whole and found.whole, merges or found.merges)


def _merges(block: Array) -> bool:
    """Whether a dimension has fewer distinct values in float32 because its values lie too close together.

    A dimension does not count if its range is float64 rounding noise, or if a step of float32 is below a hundredth of
    its typical spread. Dimensions with values outside float32's range do not count either: the reader refuses them.
    """
    values = np.sort(as_matrix(block[:SAMPLED_ROWS]).astype(np.float64), axis=0)
    largest = np.maximum(np.abs(values[0]), np.abs(values[-1]))
    usable = np.isfinite(largest) & (largest < np.finfo(np.float32).max)
    values, largest = values[:, usable], largest[usable]
    distinct, kept = _distinct(values), _distinct(values.astype(np.float32))
    spread = np.median(np.abs(values - np.median(values, axis=0)), axis=0)
    spread = np.where(spread > 0, spread, values.std(axis=0))
    step = np.spacing(largest.astype(np.float32)).astype(np.float64)
    coarse = (step > 0.01 * spread) & (values[-1] - values[0] > NOISE * largest)
    return bool((coarse & (kept < KEPT_SHARE * distinct)).any())


def _distinct(ordered: Array) -> Array:
    """Returns the number of distinct values of each column of ordered values, ``[n, columns]``."""
    return np.asarray(1 + (ordered[1:] != ordered[:-1]).sum(axis=0))


def require_same_kind(name: str, first: Array, other: Array) -> None:
    """Checks that two blocks of a column have the same shape and kind of numbers.

    Args:
        name: Name of the column, for errors.
        first: First block, ``[n, ...]``.
        other: Another block, ``[m, ...]``.

    Raises:
        DatasetFormatError: If shapes differ, or one holds floats and the other whole numbers.
    """
    kinds = [("whole numbers" if a.dtype.kind in "biu" else str(a.dtype.kind), a.shape[1:]) for a in (first, other)]
    if kinds[0] != kinds[1]:
        described = " and ".join(f"{a.dtype} of shape {a.shape[1:]}" for a in (first, other))
        raise DatasetFormatError(f"{name} mix types: {described}. Use one dataset per environment and action type.")
