"""A fixed-capacity ring of transition columns."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from synth_replay.buffers.counts import whole_number
from synth_replay.spaces import Array

HostColumns = dict[str, Array]
"""Rows as columns in the host library's own names, dtypes and shapes."""


class ColumnStore:
    """Columns of rows, the oldest replaced first.

    Floats are kept as float32, whatever they came in, unless ``compact`` is off. Memory is taken at the
    first row and grows by doubling up to the capacity.

    Args:
        capacity: Most rows kept, at least 1.
        compact: Keep floats as float32 and whole numbers as int32.
    """

    def __init__(self, capacity: int, compact: bool = True) -> None:
        self.capacity, self.compact = whole_number("capacity", capacity, "the rows of a store"), compact
        self.position = 0
        self.full = False
        self._columns: HostColumns = {}

    def __len__(self) -> int:
        return self.capacity if self.full else self.position

    @property
    def nbytes(self) -> int:
        """Size of the columns in bytes."""
        return sum(column.nbytes for column in self._columns.values())

    def replace(self, leaves: Mapping[str, Array]) -> None:
        """Replaces all rows by these (the last ``capacity`` of them), without copying where possible."""
        columns = {name: self._cast(np.asarray(a)[-self.capacity :]) for name, a in leaves.items()}
        rows = len(next(iter(columns.values())))
        self._columns = {n: a if a.flags.owndata and a.flags.c_contiguous else a.copy() for n, a in columns.items()}
        self.full, self.position = rows == self.capacity, rows % self.capacity

    def add(self, leaves: Mapping[str, Array]) -> None:
        """Appends any number of rows, in order."""
        rows = len(next(iter(leaves.values())))
        skipped = max(rows - self.capacity, 0)
        start = (self.position + skipped) % self.capacity
        kept = rows - skipped
        self._reserve(leaves, self.capacity if self.full else min(self.position + rows, self.capacity))
        first = min(kept, self.capacity - start)
        for name, array in leaves.items():
            column, array = self._columns[name], np.asarray(array)[skipped:]
            column[start : start + first] = array[:first]
            column[: kept - first] = array[first:]
        self.full = self.full or self.position + rows >= self.capacity
        self.position = (self.position + rows) % self.capacity

    def gather(self, index: Array) -> HostColumns:
        """Returns copies of the rows ``index`` ``[n]``, whole numbers below ``len``."""
        return {name: column.take(index, axis=0) for name, column in self._columns.items()}

    def rows(self) -> HostColumns:
        """Returns all rows from the oldest to the newest, as views when the ring has not wrapped."""
        held = {name: column[: len(self)] for name, column in self._columns.items()}
        if not self.full or self.position == 0:
            return held
        return {name: np.roll(column, -self.position, axis=0) for name, column in held.items()}

    def _cast(self, array: Array) -> Array:
        if not self.compact or array.dtype == bool:
            return array
        if np.issubdtype(array.dtype, np.integer):
            return array.astype(np.int32, copy=False) if array.dtype.itemsize > 4 else array
        return array.astype(np.float32, copy=False)

    def _reserve(self, leaves: Mapping[str, Array], rows: int) -> None:
        if not self._columns:
            kinds = {name: self._cast(np.asarray(a)[:1]) for name, a in leaves.items()}
            self._columns = {n: np.empty((rows, *k.shape[1:]), k.dtype) for n, k in kinds.items()}
        held = len(next(iter(self._columns.values())))
        if rows > held:
            size = min(max(rows, 2 * held), self.capacity)
            self._columns = {name: _grown(column, size) for name, column in self._columns.items()}


def _grown(column: Array, rows: int) -> Array:
    grown: Array = np.empty((rows, *column.shape[1:]), column.dtype)
    grown[: len(column)] = column
    return grown
