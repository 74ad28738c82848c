"""Reads the episodes in a Minari data folder, from HDF5 or Arrow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from synth_replay.datasets.atomic_files import reading
from synth_replay.datasets.episodes import Columns, leaves_of
from synth_replay.datasets.memory import require_memory
from synth_replay.datasets.optional_imports import load_extra
from synth_replay.datasets.stored_hdf5 import open_hdf5
from synth_replay.errors import DatasetFormatError
from synth_replay.safe_paths import plain_file, plain_folder, shown

MAIN_FILE = "main_data.hdf5"
METADATA = "metadata.json"
SCALARS = ("rewards", "terminations", "truncations")
NAMES = ("observations", "actions", *SCALARS)


def stored_episodes(folder: Path, storage: str, count: int, names: tuple[str, ...] = NAMES) -> Iterator[Columns]:
    """Yields the raw columns of each episode in order: T + 1 observations and T rows of every other column.

    Only plain files of the folder are opened.

    Args:
        folder: The ``data`` folder.
        storage: ``hdf5``, ``arrow`` or ``parquet``.
        count: Number of episodes.
        names: Columns to read.

    Raises:
        DatasetFormatError: If the storage has another name, or an episode is missing or damaged.
        DatasetError: If an episode does not fit into memory.
    """
    if storage == "hdf5":
        return _hdf5(plain_file(folder, MAIN_FILE, DatasetFormatError), count, names)
    if storage in ("arrow", "parquet"):
        return _arrow(folder, storage, count, names)
    raise DatasetFormatError(f"{folder} uses Minari's {shown(storage)} storage; hdf5, arrow and parquet can be read.")


def _hdf5(path: Path, count: int, names: tuple[str, ...]) -> Iterator[Columns]:
    with open_hdf5(path) as file:
        for number in range(count):
            episode = file.group(f"episode_{number}")
            yield {leaf: array for name in names for leaf, array in episode.leaves(name).items()}


def _arrow(folder: Path, storage: str, count: int, names: tuple[str, ...]) -> Iterator[Columns]:
    dataset = load_extra("pyarrow.dataset").dataset
    for number in range(count):
        episode = plain_folder(folder, str(number), DatasetFormatError)
        files = [plain_file(episode, name, DatasetFormatError) for name in _data_files(episode)]
        if not files:
            raise DatasetFormatError(f"{episode} holds no data. Copy or download the dataset again.")
        with reading(episode):
            table = _table(episode, dataset([str(file) for file in files], format=storage), names)
            columns = {leaf: a for name in names for leaf, a in leaves_of(name, _decode(table.column(name))).items()}
        # Arrow columns are as long as the observations: Minari pads the rest with one empty row
        yield {leaf: a if leaf.startswith("observations") else a[:-1] for leaf, a in columns.items()}


def _table(episode: Path, stored: Any, names: tuple[str, ...]) -> Any:
    """Reads an Arrow dataset batch by batch, so that memory is checked before much of it is used."""
    pa = load_extra("pyarrow")
    batches, used = [], 0
    for batch in stored.to_batches(columns=list(names)):
        used += batch.nbytes
        require_memory(episode, 2 * used, "its columns", "Use a machine with more memory.")
        batches.append(batch)
    return pa.Table.from_batches(batches, stored.schema if not batches else None).combine_chunks()


def _data_files(episode: Path) -> list[str]:
    return sorted(p.name for p in episode.iterdir() if p.name != METADATA and not p.name.startswith(("_", ".")))


def _decode(column: Any) -> Any:
    """Returns the values of an Arrow column, ``[n, size]`` for lists of equal length; a dict of them for a struct."""
    pa = load_extra("pyarrow")
    if isinstance(column, pa.ChunkedArray):
        column = column.chunk(0) if column.num_chunks else pa.array([], column.type)
    if column.null_count:
        raise DatasetFormatError(f"A column of type {shown(str(column.type))} has missing values. Record it again.")
    if pa.types.is_struct(column.type):
        return {field.name: _decode(child) for field, child in zip(column.type, column.flatten(), strict=True)}
    if pa.types.is_fixed_size_list(column.type) or pa.types.is_list(column.type):
        values, size = _decode(column.flatten()), _list_size(column)
        if isinstance(values, dict) or size is None:
            raise DatasetFormatError(f"A column of type {shown(str(column.type))} is no array. Record it again.")
        return values.reshape(len(column), size, *values.shape[1:])
    return np.asarray(column.to_numpy(zero_copy_only=False))


def _list_size(column: Any) -> int | None:
    """Returns the length of the lists of an Arrow column; None if they differ in length."""
    sizes = np.unique(column.value_lengths().to_numpy(zero_copy_only=False))
    return int(sizes[0]) if len(sizes) == 1 else None if len(sizes) else 0
