"""Writer of a folder of Parquet shards in a single run."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from synth_replay.datasets.parquet.shards import SHARD_ROWS, ShardWriter
from synth_replay.datasets.writer import DatasetWriter
from synth_replay.spaces import Array


class ParquetWriter(DatasetWriter):
    """Writes a folder of shards in one run; :class:`ShardWriter` writes one that can be resumed."""

    format = "parquet"

    def _begin(self, partial: Path) -> None:
        self._shards = ShardWriter(partial, self.spec, self.rows, shard_rows=SHARD_ROWS, meta=self.meta)
        self._buffer: dict[str, Array] = {}
        self._number = self._filled = 0

    def _append(self, leaves: dict[str, Array]) -> None:
        count, start = len(leaves["rewards"]), 0
        while start < count:
            first, stop = self._shards.bounds(self._number)
            size = stop - first
            take = min(size - self._filled, count - start)
            part = {name: array[start : start + take] for name, array in leaves.items()}
            start += take
            if take < size:
                part = self._collect(part, take, size)
            if part:
                self._shards.write_leaves(self._number, part)
                self._number, self._filled = self._number + 1, 0

    def _collect(self, part: dict[str, Array], take: int, size: int) -> dict[str, Array]:
        """Adds rows to the buffer of the current shard; returns the columns of the shard once it is full, else {}.

        Args:
            part: ``[take, ...]`` columns by name.
            take: Number of rows to add.
            size: Number of rows of the shard.
        """
        if not self._filled:
            self._buffer = {name: np.empty((size, *a.shape[1:]), a.dtype) for name, a in part.items()}
        for name, array in part.items():
            self._buffer[name][self._filled : self._filled + take] = array
        self._filled += take
        return self._buffer if self._filled == size else {}

    def _finish(self) -> None:
        self._buffer = {}
        self._shards.finish()

    def _release(self) -> None:
        self._buffer = {}
