"""Reader of finished folders of Parquet shards."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np

from synth_replay.datasets.atomic_files import reading
from synth_replay.datasets.dataset import Dataset, ReadOptions
from synth_replay.datasets.optional_imports import load_extra
from synth_replay.datasets.parquet.shards import MANIFEST, read_manifest
from synth_replay.datasets.space_inference import resolve_spec
from synth_replay.errors import DatasetFormatError, UnfinishedDatasetError
from synth_replay.spaces import Array
from synth_replay.transitions import TransitionSpec


class ParquetDataset(Dataset):
    """A finished folder of shards; file sizes are checked when it is opened, page checksums when rows are read."""

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
        spec, notes = resolve_spec(options, spaces, heads, lambda: (), stored.extras)
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
    """Returns ``[n, *shape]``, which shares Arrow's memory unless flags must be unpacked from bits."""
    values = column.flatten() if shape else column
    flat: Array = values.to_numpy(zero_copy_only=False)
    return flat.reshape(len(column), *shape)
