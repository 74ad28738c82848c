"""What a column of numbers holds, from one pass over its blocks: range, whole numbers, and what float32 would lose."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from synth_replay.errors import DatasetFormatError, InvalidTransitionsError
from synth_replay.spaces import Array, as_matrix

SAMPLED_ROWS = 4096  # of each block
MOST_ROWS = 1 << 20
KEPT_SHARE = 0.9
NOISE = 2.0**-40


@dataclass(frozen=True)
class Summary:
    """A column of numbers.

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
    """Summarises a column, ``[n, *shape]`` a block.

    Args:
        path: File to name in errors.
        name: Name of the column, for errors.
        blocks: The column in blocks.

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

    At most the blocks of the first million rows are looked at.

    Args:
        blocks: The column in blocks, ``[n, *shape]`` each.
    """
    rows = 0
    for block in blocks:
        if block.ndim == 0:
            break  # no column: it is refused where it is read
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
    """Whether a dimension has fewer distinct values in float32, and its values lie too close for float32.

    Rounding noise of float64, and steps of float32 below a hundredth of the usual spread, do not count. Values beyond
    float32's range do not either: they are refused where they are read.
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
