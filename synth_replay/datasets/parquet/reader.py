"""Reader of finished folders of Parquet shards."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from synth_replay.datasets.atomic_files import reading
from synth_replay.datasets.column_names import require_names
from synth_replay.datasets.columns import stored_columns
from synth_replay.datasets.dataset import Dataset, ReadOptions
from synth_replay.datasets.json_values import JsonValue
from synth_replay.datasets.optional_imports import load_extra
from synth_replay.datasets.parquet.shards import MANIFEST, read_manifest
from synth_replay.datasets.space_inference import resolve_spec
from synth_replay.errors import DatasetFormatError, UnfinishedDatasetError
from synth_replay.safe_paths import plain_file, shown
from synth_replay.spaces import Array
from synth_replay.transitions import TransitionSpec


class _Shard(NamedTuple):
    """A file of the folder and its number of rows."""

    file: Path
    rows: int


class ParquetDataset(Dataset):
    """A finished folder of shards; file sizes are checked when it is opened, page checksums when rows are read."""

    format = "parquet"

    def __init__(self, path: Path, options: ReadOptions) -> None:
        if not (path / MANIFEST).exists():
            raise UnfinishedDatasetError(f"{path} is unfinished: run the same command again to resume, or delete it.")
        manifest = read_manifest(path / MANIFEST)
        stored, rows, meta = manifest["spec"].spec(), manifest["rows"].count(), manifest["meta"].plain()
        heads = _heads(manifest, stored)
        self._shapes = {name: head.shape[1:] for name, head in heads.items()}
        self._shards = [_shard(path, shard) for shard in manifest["shards"].entries()]
        if (held := sum(shard.rows for shard in self._shards)) != rows:
            raise DatasetFormatError(f"{path} announces {rows} rows, and its shards hold {held}. Write it again.")
        spaces = (stored.observation_space, stored.action_space)
        spec, notes = resolve_spec(path, options, spaces, heads, lambda _: (), stored.extras)
        super().__init__(path, spec, rows, meta, notes)

    def _blocks(self, rows: int) -> Generator[dict[str, Array]]:
        pq = load_extra("pyarrow.parquet")
        for shard, count in self._shards:
            with reading(shard), pq.ParquetFile(shard, page_checksum_verification=True) as file:
                if file.metadata.num_rows != count:
                    raise DatasetFormatError(f"{shard} has {file.metadata.num_rows} of {count} rows. Write it again.")
                for batch in file.iter_batches(rows):
                    yield {name: _to_numpy(batch, name, shape) for name, shape in self._shapes.items()}


def _heads(manifest: JsonValue, spec: TransitionSpec) -> dict[str, Array]:
    """Returns zero-row columns by name; columns that are not those of the spec are an error."""
    columns = manifest["columns"].table()
    require_names(columns, lambda text: DatasetFormatError(f"{manifest.path}: {text}"))
    heads = {n: np.empty((0, *c["shape"].shape()), c["dtype"].dtype()) for n, c in columns.items()}
    wanted = {name: leaf.shape for name, leaf in stored_columns(spec).items()}
    if {name: head.shape[1:] for name, head in heads.items()} != wanted:
        raise DatasetFormatError(f"{manifest.path} is damaged: its columns are not those of its spec. Write it again.")
    return heads


def _shard(folder: Path, shard: JsonValue) -> _Shard:
    file, size = plain_file(folder, shard["file"].value, DatasetFormatError), shard["bytes"].count()
    found = file.stat().st_size
    if found != size:
        raise DatasetFormatError(f"{file} has {found} of {size} bytes: it is cut short; copy it again.")
    return _Shard(file, shard["rows"].count())


def _to_numpy(batch: Any, name: str, shape: tuple[int, ...]) -> Array:
    """Returns ``[n, *shape]``, which shares Arrow's memory unless flags must be unpacked from bits."""
    pa = load_extra("pyarrow")
    column = batch.column(name)
    if shape and not pa.types.is_fixed_size_list(column.type):
        raise ValueError(f"column {shown(name)} is {shown(str(column.type))}, not a list of numbers")
    values = column.flatten() if shape else column
    flat: Array = values.to_numpy(zero_copy_only=False)
    if flat.dtype.kind not in "biuf":
        raise ValueError(f"column {shown(name)} holds {shown(str(column.type))}, not numbers")
    return flat.reshape(len(column), *shape)
