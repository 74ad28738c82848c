"""The table of formats, and the functions that detect, open and create datasets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from gymnasium import spaces

from synth_replay.datasets.atomic_files import dataset_path, reading
from synth_replay.datasets.d3rlpy import D3rlpyDataset, D3rlpyWriter
from synth_replay.datasets.d4rl import D4rlDataset, D4rlWriter
from synth_replay.datasets.dataset import Dataset, ReadOptions
from synth_replay.datasets.hdf5 import SIGNATURE, is_hdf5
from synth_replay.datasets.json_values import listed
from synth_replay.datasets.minari.reader import MinariDataset, find_minari
from synth_replay.datasets.minari.writer import MinariWriter
from synth_replay.datasets.npz import NpzDataset, NpzWriter
from synth_replay.datasets.parquet.reader import ParquetDataset
from synth_replay.datasets.parquet.shards import MANIFEST, UNFINISHED
from synth_replay.datasets.parquet.writer import ParquetWriter
from synth_replay.datasets.robomimic import RobomimicDataset, holds_demonstrations
from synth_replay.datasets.sb3 import Sb3Dataset
from synth_replay.datasets.stored_hdf5 import holds_frames, open_hdf5
from synth_replay.datasets.table import CSV_SUFFIXES, TableDataset
from synth_replay.datasets.writer import DatasetWriter
from synth_replay.errors import DatasetError, DatasetFormatError, DatasetWriteError, UnknownFormatError
from synth_replay.safe_paths import shown
from synth_replay.transitions import TransitionSpec

FORMATS: dict[str, str] = {
    "npz": "NumPy archive, SynthER's layout",
    "d4rl": "D4RL's HDF5",
    "minari": "Minari dataset folder (HDF5 or Arrow)",
    "sb3": "Stable-Baselines3 replay buffer (.pkl), read only",
    "d3rlpy": "d3rlpy's HDF5",
    "parquet": "folder of Parquet shards",
    "robomimic": "robomimic's HDF5 demonstrations, read only",
    "table": "CSV or a single Parquet file with named columns, read only",
}
"""Description of each format by its name."""

_READERS: tuple[type[Dataset], ...] = (
    *(NpzDataset, D4rlDataset, MinariDataset, Sb3Dataset, D3rlpyDataset, ParquetDataset),
    *(RobomimicDataset, TableDataset),
)
_WRITERS = (NpzWriter, D4rlWriter, MinariWriter, D3rlpyWriter, ParquetWriter)
_WRITTEN = ", ".join(writer.format for writer in _WRITERS)
_SUFFIXES = {".npz": "npz", ".hdf5": "d4rl", ".h5": "d4rl", ".parquet": "parquet", "": "parquet"}


def open_dataset(
    path: str | Path,
    *,
    format: str | None = None,
    observation_space: spaces.Space[Any] | None = None,
    action_space: spaces.Space[Any] | None = None,
    trusted: bool = False,
) -> Dataset:
    """Opens a dataset of transitions, whose ``chunks`` and ``read`` then read the rows.

    Args:
        path: File or folder, or the id of a local Minari dataset.
        format: A key of :data:`FORMATS`; None detects it from the content.
        observation_space: Space of the observations, which overrides the file's. If neither is known, it is an
            unbounded float32 Box.
        action_space: Space of the actions, which overrides the file's. If neither is known, it is inferred from the
            type and range of the actions.
        trusted: Whether a pickle (``sb3``) may be loaded. Loading it runs the code in it.

    Raises:
        DatasetError: If ``path`` is not a path, or does not exist.
        UnknownFormatError: If there is no format of that name.
        DatasetFormatError: If the file is not a dataset, lacks columns or rows, or is damaged.
        UnfinishedDatasetError: If the writing of the dataset was interrupted.
        UntrustedDatasetError: If it is a pickle and ``trusted`` is off.
        SpecMismatchError: If the given spaces do not fit the data.
        ImageObservationError: If the observations are images.
        MissingExtraError: If the format's library is not installed.
    """
    path = dataset_path(path)
    name = detect_format(path) if format is None else _known(format)
    if not path.exists() and not (name == "minari" and find_minari(path)):
        raise DatasetError(f"{path} does not exist.")
    _require_plain(path)
    options = ReadOptions(observation_space, action_space, trusted)
    reader = next(reader for reader in _READERS if reader.format == name)
    open_it: Callable[[Path, ReadOptions], Dataset] = reader
    return open_it(path, options)


def create_dataset(
    path: str | Path,
    spec: TransitionSpec,
    rows: int,
    *,
    format: str | None = None,
    meta: dict[str, Any] | None = None,
    overwrite: bool = False,
) -> DatasetWriter:
    """Returns a writer of exactly ``rows`` rows, to use in a ``with`` block.

    Args:
        path: File or folder to make; missing parent folders are made as well.
        spec: Spaces and extra columns of the rows.
        rows: Number of rows that will be written in all.
        format: A key of :data:`FORMATS`; None takes it from the suffix.
        meta: JSON values to keep with the data.
        overwrite: Whether an existing dataset at ``path`` may be replaced.

    Raises:
        DatasetExistsError: If ``path`` holds something and ``overwrite`` is off.
        UnknownFormatError: If there is no format of that name or suffix.
        DatasetError: If the format cannot be written, or cannot hold the spec.
    """
    path = dataset_path(path, DatasetWriteError)
    name = guess_format(path) if format is None else _known(format)
    writer = next((writer for writer in _WRITERS if writer.format == name), None)
    if writer is None:
        raise DatasetError(f"{name} datasets are only read, not written: choose one of {_WRITTEN}.")
    return writer(path, spec, rows, meta or {}, overwrite)


def guess_format(path: str | Path) -> str:
    """Returns the format to write by its suffix: .npz, .hdf5 and .h5 (d4rl), .parquet or none (a folder of shards).

    Raises:
        UnknownFormatError: If the suffix is another one.
    """
    suffix = dataset_path(path).suffix.lower()
    if suffix not in _SUFFIXES:
        raise UnknownFormatError(f"No format has the suffix {shown(suffix)}: give format=, one of {_WRITTEN}.")
    return _SUFFIXES[suffix]


def detect_format(path: str | Path) -> str:
    """Returns the format of an existing dataset, detected from its content.

    Raises:
        DatasetError: If ``path`` does not exist.
        DatasetFormatError: If it is not a dataset that can be read.
    """
    path = dataset_path(path)
    if path.is_dir() and any((path / name).exists() for name in (MANIFEST, UNFINISHED)):
        return "parquet"
    if find_minari(path):
        return "minari"
    if not path.exists():
        raise DatasetError(f"{path} does not exist.")
    if path.is_dir():
        held = listed((child.name for child in path.iterdir()), 5)
        raise DatasetFormatError(f"{path} is neither a Parquet nor a Minari dataset; the folder holds {held}.")
    return _detect_file(path)


def _detect_file(path: Path) -> str:
    _require_plain(path)
    with reading(path), path.open("rb") as file:
        start = file.read(8)
    if start == SIGNATURE:
        return _detect_hdf5(path)
    if start[:2] == b"PK":
        return "npz"
    if start[:1] == b"\x80" or path.suffix == ".pkl":
        return "sb3"
    if start[:4] == b"PAR1":
        return "table"
    with reading(path):
        behind_user_block = is_hdf5(path)
    if behind_user_block:
        return _detect_hdf5(path)
    if path.suffix.lower() in CSV_SUFFIXES:
        return "table"
    raise DatasetFormatError(
        f"{path} is no dataset: expected a NumPy archive, HDF5, a Stable-Baselines3 .pkl, a table (.csv, .parquet), or "
        "a folder of Minari or Parquet."
    )


def _detect_hdf5(path: Path) -> str:
    with reading(path), open_hdf5(path) as file:
        keys, frames, demonstrations = set(file.names()), holds_frames(file), holds_demonstrations(file)
    if {"columns", "num_episodes"} <= keys:
        return "d3rlpy"
    if "episode_0" in keys:
        raise DatasetFormatError(f"{path} belongs to a Minari dataset, whose data/metadata.json is missing.")
    if demonstrations:
        return "robomimic"
    if frames:
        raise DatasetFormatError(f"{path} holds frames (V-D4RL): open it with open_pixels().")
    return "d4rl"


def _known(name: str) -> str:
    if not isinstance(name, str) or name not in FORMATS:
        raise UnknownFormatError(f"Unknown format {shown(name)}; known are {', '.join(FORMATS)}.")
    return name


def _require_plain(path: Path) -> None:
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise DatasetFormatError(f"{path} is a device, a pipe or a socket: give a file or a folder.")
