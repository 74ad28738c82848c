"""Reader of tables with named columns: CSV, a single Parquet file, and data frames (pandas, polars, pyarrow)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces

from synth_replay.datasets.atomic_files import dataset_path, reading
from synth_replay.datasets.column_files import ColumnFile, ColumnFileDataset
from synth_replay.datasets.column_names import DONES, ENDS
from synth_replay.datasets.dataset import Dataset, ReadOptions
from synth_replay.datasets.memory import require_memory
from synth_replay.datasets.optional_imports import load_extra
from synth_replay.datasets.parquet.shards import MANIFEST, UNFINISHED
from synth_replay.datasets.table_columns import TableColumns, find_table_columns, stacked
from synth_replay.errors import DatasetError, DatasetFormatError
from synth_replay.spaces import Array

CSV_SUFFIXES = (".csv", ".tsv")
IN_MEMORY = Path("the data frame")
_REMEDY = "Tables are read as a whole: convert the file in parts, or use a machine with more memory."


class TableFile(ColumnFile):
    """The columns of a table, as arrays in memory.

    Args:
        arrays: Arrays ``[n, *shape]`` by leaf name.
    """

    def __init__(self, arrays: Mapping[str, Array]) -> None:
        self._arrays = arrays
        self.spec_header = None
        self.heads = {name: array[:0] for name, array in arrays.items()}
        self.lengths = {name: len(array) for name, array in arrays.items()}

    def check(self, name: str) -> None:
        """Does nothing: the values are in memory."""

    def blocks(self, name: str, rows: int, skip: int = 0) -> Iterator[Array]:
        """Yields a column in blocks of at most ``rows`` rows, from row ``skip`` on."""
        array = self._arrays[name]
        for start in range(skip, len(array), rows):
            yield array[start : start + rows].copy()

    def close(self) -> None:
        """Does nothing."""


class TableDataset(ColumnFileDataset):
    """A table in memory with one transition per row; rows are chronological.

    Columns are found by their names: ``observations_0``, ``observations_1``, ... (also ``obs_0``) become a vector,
    ``observations/key`` the key of a Dict, and a column whose cells are lists of equal length is a vector by itself.
    Without columns of next observations, the observation of the following row in the same episode is the next one.
    """

    format = "table"

    def __init__(
        self, path: Path, options: ReadOptions, columns: TableColumns | None = None, frame: Any = None
    ) -> None:
        with reading(path):
            table = _open(path) if frame is None else frame
            chosen = find_table_columns(path, map(str, _names(table)), columns or TableColumns())
            self._arrays = _with_dones(_arrays(path, table, chosen), chosen)
        super().__init__(path, options)

    def _open(self) -> TableFile:
        return TableFile(self._arrays)


def open_table(
    source: Any,
    *,
    observations: Any = None,
    actions: Any = None,
    rewards: str | None = None,
    next_observations: Any = None,
    terminations: str | None = None,
    truncations: str | None = None,
    episodes: str | None = None,
    observation_space: spaces.Space[Any] | None = None,
    action_space: spaces.Space[Any] | None = None,
) -> Dataset:
    """Opens a table of transitions with named columns.

    Columns that are not given are found by their names, as :func:`open_dataset` finds them.

    Args:
        source: A CSV or Parquet file, or a data frame (pandas, polars, pyarrow).
        observations: Names of the columns of the observation, in order; a single name for a column of vectors.
        actions: Names of the columns of the action, or a single name.
        rewards: Name of the column of rewards.
        next_observations: Names of the columns of the next observation. If None, they are found by their names; if
            there are none, the observation of the following row is used.
        terminations: Name of the column of terminations.
        truncations: Name of the column of truncations.
        episodes: Name of a column that identifies the episode. Where it changes, an episode ends.
        observation_space: Space of the observations; by default an unbounded Box.
        action_space: Space of the actions; inferred by default.

    Returns:
        The dataset, which is held in memory.

    Raises:
        DatasetError: If the file does not exist, or the table does not fit into memory.
        DatasetFormatError: If columns are missing or are not numbers.
        MissingExtraError: If pyarrow is not installed, and the source is a file.
    """
    given = (observations, actions, rewards, next_observations, terminations, truncations, episodes)
    options = ReadOptions(observation_space, action_space)
    if not isinstance(source, (str, Path)):
        _names(source)
        return TableDataset(IN_MEMORY, options, TableColumns(*given), source)
    path = dataset_path(source)
    if not path.is_file():
        raise DatasetError(f"{path} is no file: give a CSV or Parquet file, or a data frame.")
    return TableDataset(path, options, TableColumns(*given))


def _open(path: Path) -> Any:
    """Reads a file as a pyarrow table."""
    if path.suffix.lower() in CSV_SUFFIXES:
        return _read_csv(path)
    if any((path.parent / name).exists() for name in (MANIFEST, UNFINISHED)):
        raise DatasetFormatError(f"{path} is a part of a dataset: give its folder, {path.parent}, not a file in it.")
    pq = load_extra("pyarrow.parquet")
    with pq.ParquetFile(path) as file:
        about = file.metadata
        sizes = [about.row_group(i).total_byte_size for i in range(about.num_row_groups)]
        require_memory(path, max(3 * sum(sizes), 8 * about.num_rows * about.num_columns), "its values", _REMEDY)
        return file.read()


def _read_csv(path: Path) -> Any:
    csv = load_extra("pyarrow.csv")
    require_memory(path, 3 * path.stat().st_size, "its values", _REMEDY)
    with path.open("rb") as file:
        header = file.readline(1 << 16).decode(errors="replace")
    delimiter = max(",;\t", key=header.count)
    return csv.read_csv(path, parse_options=csv.ParseOptions(delimiter=delimiter))


def _names(table: Any) -> list[Any]:
    """Returns the names of the columns of a pyarrow table or a data frame."""
    names = getattr(table, "column_names", None)
    names = getattr(table, "columns", None) if names is None else names
    if names is None or not hasattr(table, "__getitem__"):
        raise DatasetError(f"open_table() takes a file or a data frame, not {type(table).__name__}.")
    return list(names)


def _arrays(path: Path, table: Any, chosen: Mapping[str, list[str]]) -> dict[str, Array]:
    """Returns the leaves of a table ``[n, *shape]``; the column of episodes becomes one that marks episode ends."""
    stored = {str(name): name for name in _names(table)}
    episodes = [_numpy(path, name, table[stored[name]]) for name in chosen.get("episodes", [])]
    leaves = {leaf: names for leaf, names in chosen.items() if leaf != "episodes"}
    arrays = {
        leaf: stacked(path, leaf, [_numpy(path, name, table[stored[name]]) for name in names])
        for leaf, names in leaves.items()
    }
    if episodes and "terminations" in arrays:
        last = np.append(episodes[0][1:] != episodes[0][:-1], True)
        cut = last & ~(arrays["terminations"].reshape(-1) != 0)
        marked = arrays.get("truncations")
        arrays |= {ENDS: cut} if marked is None else {"truncations": cut | (marked.reshape(-1) != 0)}
    return arrays


def _with_dones(arrays: dict[str, Array], chosen: Mapping[str, list[str]]) -> dict[str, Array]:
    """Stores terminations under the name of a column of dones, which may mark time limits too."""
    ended = chosen.get("terminations", [""])[0]
    return {ended if leaf == "terminations" and ended in DONES else leaf: array for leaf, array in arrays.items()}


def _numpy(path: Path, name: str, column: Any) -> Array:
    """Returns a column of a table, ``[n]`` or, for cells that are lists, ``[n, size]``."""
    array: Array = np.asarray(column.to_numpy())
    if not len(array):
        raise DatasetFormatError(f"{path} holds no transitions: it has columns, but no rows.")
    if array.dtype != object or isinstance(array[0], str):
        return array
    if not hasattr(array[0], "__len__"):
        with suppress(TypeError, ValueError):  # missing values stay objects, which are refused
            array = array.astype(np.float64)
        return array
    try:
        return np.stack([np.asarray(cell) for cell in array])
    except ValueError as error:
        raise DatasetFormatError(f"{path}: the lists in column {name[:60]!r} differ in length: {error}.") from error
