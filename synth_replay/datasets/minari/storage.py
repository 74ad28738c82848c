"""Reads the episodes in a Minari data folder, from HDF5 or Arrow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from synth_replay.datasets.episodes import Columns, leaves_of
from synth_replay.datasets.hdf5 import open_hdf5
from synth_replay.datasets.optional_imports import load_extra
from synth_replay.errors import DatasetFormatError
from synth_replay.spaces import Array

MAIN_FILE = "main_data.hdf5"
SCALARS = ("rewards", "terminations", "truncations")
NAMES = ("observations", "actions", *SCALARS)


def stored_episodes(folder: Path, storage: str, count: int, names: tuple[str, ...] = NAMES) -> Iterator[Columns]:
    """Yields the raw columns of each episode in order: T + 1 observations and T rows of every other column.

    Args:
        folder: The ``data`` folder.
        storage: ``hdf5``, ``arrow`` or ``parquet``.
        count: Number of episodes.
        names: Columns to read.

    Raises:
        DatasetFormatError: If the storage has another name.
    """
    if storage == "hdf5":
        return _hdf5(folder / MAIN_FILE, count, names)
    if storage in ("arrow", "parquet"):
        return _arrow(folder, storage, count, names)
    raise DatasetFormatError(f"{folder} uses Minari's {storage!r} storage; hdf5, arrow and parquet can be read.")


def _hdf5(path: Path, count: int, names: tuple[str, ...]) -> Iterator[Columns]:
    def nested(item: Any) -> Any:
        return {key: nested(child) for key, child in item.items()} if hasattr(item, "items") else item[()]

    with open_hdf5(path) as file:
        for number in range(count):
            episode = file[f"episode_{number}"]
            yield {leaf: a for name in names for leaf, a in leaves_of(name, nested(episode[name])).items()}


def _arrow(folder: Path, storage: str, count: int, names: tuple[str, ...]) -> Iterator[Columns]:
    dataset = load_extra("pyarrow.dataset").dataset
    for number in range(count):
        source = dataset(str(folder / str(number)), format=storage, ignore_prefixes=["_", ".", "metadata.json"])
        table = source.to_table(columns=list(names)).combine_chunks()
        columns = {leaf: a for name in names for leaf, a in leaves_of(name, _decode(table.column(name))).items()}
        # Arrow columns are as long as the observations: Minari pads the rest with one empty row
        yield {leaf: a if leaf.startswith("observations") else a[:-1] for leaf, a in columns.items()}


def _decode(column: Any) -> Any:
    pa = load_extra("pyarrow")
    array = column.chunk(0) if isinstance(column, pa.ChunkedArray) else column
    if pa.types.is_struct(array.type):
        return {field.name: _decode(child) for field, child in zip(array.type, array.flatten(), strict=True)}
    if pa.types.is_fixed_size_list(array.type):
        values: Array = array.flatten().to_numpy(zero_copy_only=False)
        return values.reshape(len(array), -1)
    return np.asarray(array.to_numpy(zero_copy_only=False))
