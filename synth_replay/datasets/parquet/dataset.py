"""Reading finished folders of Parquet shards, and writing one in a single run."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np

from synth_replay.datasets.base import Dataset, ReadOptions
from synth_replay.datasets.extras import load_extra
from synth_replay.datasets.files import reading
from synth_replay.datasets.inference import settle_spec
from synth_replay.datasets.parquet.shards import MANIFEST, SHARD_ROWS, ShardWriter, read_manifest
from synth_replay.datasets.writer import DatasetWriter
from synth_replay.errors import DatasetFormatError, UnfinishedDatasetError
from synth_replay.spaces import Array
from synth_replay.transitions import TransitionSpec


class ParquetDataset(Dataset):
    """A finished folder of shards; the file sizes are checked when it is opened, the pages when they are read."""

    format = "parquet"

    def __init__(self, path: Path, options: ReadOptions) -> None:
        if not (path / MANIFEST).exists():
            raise UnfinishedDatasetError(f"{path} is unfinished: run the same command again to resume, or delete it.")
        manifest = read_manifest(path / MANIFEST)
        with reading(path / MANIFEST):
            stored = TransitionSpec.from_dict(manifest["spec"])
            self._shapes = {name: tuple(column["shape"]) for name, column in manifest["columns"].items()}
            heads = {n: np.empty((0, *self._shapes[n]), c["dtype"]) for n, c in manifest["columns"].items()}
            self._shards = [path / shard["file"] for shard in manifest["shards"]]
            sizes = [shard["bytes"] for shard in manifest["shards"]]
            rows, meta = manifest["rows"], manifest["meta"]
        for shard, size in zip(self._shards, sizes, strict=True):
            _require_whole(shard, size)
        spaces = (stored.observation_space, stored.action_space)
        spec, notes = settle_spec(options, spaces, heads, lambda: (), stored.extras)
        super().__init__(path, spec, rows, meta, notes)

    def _blocks(self, rows: int) -> Generator[dict[str, Array]]:
        pq = load_extra("pyarrow.parquet")
        for shard in self._shards:
            with reading(shard), pq.ParquetFile(shard, page_checksum_verification=True) as file:
                for batch in file.iter_batches(rows):
                    yield {name: _to_numpy(batch.column(name), shape) for name, shape in self._shapes.items()}


def _require_whole(shard: Path, size: int) -> None:
    if not shard.exists():
        raise DatasetFormatError(f"{shard} is missing: copy the whole folder, or write the dataset again.")
    if shard.stat().st_size != size:
        raise DatasetFormatError(f"{shard} has {shard.stat().st_size} of {size} bytes: it is cut short; copy it again.")


def _to_numpy(column: Any, shape: tuple[int, ...]) -> Array:
    """``[n, *shape]``, sharing Arrow's memory (bits of flags are unpacked)."""
    values = column.flatten() if shape else column
    flat: Array = values.to_numpy(zero_copy_only=False)
    return flat.reshape(len(column), *shape)


class ParquetWriter(DatasetWriter):
    """Writes a folder of shards in one go; :class:`ShardWriter` is the form that resumes."""

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
        """Adds rows to the buffer of one shard; returns the shard once it is full."""
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
