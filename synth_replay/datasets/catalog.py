"""Which format is which, and the two functions that open and create datasets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gymnasium import spaces

from synth_replay.datasets.base import Dataset, ReadOptions
from synth_replay.datasets.d3rlpy import D3rlpyDataset, D3rlpyWriter
from synth_replay.datasets.d4rl import D4rlDataset, D4rlWriter
from synth_replay.datasets.files import reading
from synth_replay.datasets.hdf5 import FRAME_KEYS, SIGNATURE, open_hdf5
from synth_replay.datasets.minari.reader import MinariDataset, find_minari
from synth_replay.datasets.minari.writer import MinariWriter
from synth_replay.datasets.npz import NpzDataset, NpzWriter
from synth_replay.datasets.parquet.dataset import ParquetDataset, ParquetWriter
from synth_replay.datasets.parquet.shards import MANIFEST, UNFINISHED
from synth_replay.datasets.sb3 import Sb3Dataset
from synth_replay.datasets.writer import DatasetWriter
from synth_replay.errors import DatasetError, DatasetFormatError
from synth_replay.transitions import TransitionSpec

FORMATS: dict[str, str] = {
    "npz": "NumPy archive, SynthER's layout",
    "d4rl": "D4RL's HDF5",
    "minari": "Minari dataset folder (HDF5 or Arrow)",
    "sb3": "Stable-Baselines3 replay buffer (.pkl), for reading",
    "d3rlpy": "d3rlpy's HDF5",
    "parquet": "folder of Parquet shards",
}
_READERS = (NpzDataset, D4rlDataset, MinariDataset, Sb3Dataset, D3rlpyDataset, ParquetDataset)
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
    """Opens a dataset of transitions; columns are read by its ``chunks`` or ``read``.

    Args:
        path: File or folder, or the id of a local Minari dataset.
        format: A key of :data:`FORMATS`; None looks at the content.
        observation_space: Wins over what the file says. If neither says, an unbounded float32 Box.
        action_space: The same. If neither says, taken from the type and range of the actions.
        trusted: Allows loading a pickle (``sb3``), which runs the code in it.

    Raises:
        DatasetError: If the path does not exist or the format is unknown.
        DatasetFormatError: If it is no dataset, lacks columns or rows, or is damaged.
        UnfinishedDatasetError: If its writing was interrupted.
        UntrustedDatasetError: For a pickle without ``trusted``.
        SpecMismatchError: If given spaces do not fit.
        ImageObservationError: For pixels.
        MissingExtraError: If the format's library is not installed.
    """
    path = Path(path)
    name = detect_format(path) if format is None else _known(format)
    if not path.exists() and not (name == "minari" and find_minari(path)):
        raise DatasetError(f"{path} does not exist.")
    options = ReadOptions(observation_space, action_space, trusted)
    reader = next(reader for reader in _READERS if reader.format == name)
    return reader(path, options)


def create_dataset(
    path: str | Path,
    spec: TransitionSpec,
    rows: int,
    *,
    format: str | None = None,
    meta: dict[str, Any] | None = None,
    overwrite: bool = False,
) -> DatasetWriter:
    """A writer of exactly ``rows`` rows, for a ``with`` block.

    Args:
        path: File or folder to make; missing parent folders are made as well.
        spec: What the rows are.
        rows: Rows in all.
        format: A key of :data:`FORMATS`; None goes by the suffix.
        meta: JSON values to keep with the data.
        overwrite: Whether something at ``path`` may be replaced.

    Raises:
        DatasetExistsError: If ``path`` holds something and ``overwrite`` is off.
        DatasetError: If the format is unknown, cannot be written, or cannot hold the spec.
    """
    path = Path(path)
    name = guess_format(path) if format is None else _known(format)
    writer = next((writer for writer in _WRITERS if writer.format == name), None)
    if writer is None:
        raise DatasetError(f"{name} datasets are only read, not written: choose one of {_WRITTEN}.")
    return writer(path, spec, rows, meta or {}, overwrite)


def guess_format(path: str | Path) -> str:
    """The format to write, from the suffix: .npz, .hdf5 and .h5 (d4rl), .parquet or none (a folder of shards).

    Raises:
        DatasetError: For another suffix.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in _SUFFIXES:
        raise DatasetError(
            f"No format goes by the suffix {suffix!r}: give format= (or --out-format), one of {_WRITTEN}."
        )
    return _SUFFIXES[suffix]


def detect_format(path: str | Path) -> str:
    """The format of an existing dataset, from its content.

    Raises:
        DatasetError: If there is nothing at ``path``.
        DatasetFormatError: If it is no dataset that can be read.
    """
    path = Path(path)
    if path.is_dir() and any((path / name).exists() for name in (MANIFEST, UNFINISHED)):
        return "parquet"
    if find_minari(path):
        return "minari"
    if not path.exists():
        raise DatasetError(f"{path} does not exist.")
    if path.is_dir():
        held = ", ".join(sorted(child.name for child in path.iterdir())[:5]) or "nothing"
        raise DatasetFormatError(f"{path} is neither a Parquet nor a Minari dataset; the folder holds {held}.")
    return _detect_file(path)


def _detect_file(path: Path) -> str:
    with reading(path), path.open("rb") as file:
        start = file.read(8)
    if start == SIGNATURE:
        return _detect_hdf5(path)
    if start[:2] == b"PK":
        return "npz"
    if start[:1] == b"\x80" or path.suffix == ".pkl":
        return "sb3"
    raise DatasetFormatError(
        f"{path} is no dataset: expected a NumPy archive, HDF5, a Stable-Baselines3 .pkl, or a folder of Minari or "
        "Parquet (give the folder, not a file in it)."
    )


def _detect_hdf5(path: Path) -> str:
    with reading(path), open_hdf5(path) as file:
        keys = set(file)
    if {"columns", "num_episodes"} <= keys:
        return "d3rlpy"
    if "episode_0" in keys:
        raise DatasetFormatError(f"{path} belongs to a Minari dataset, whose data/metadata.json is missing.")
    if keys >= FRAME_KEYS:
        raise DatasetFormatError(f"{path} holds frames (V-D4RL): open it with open_pixels().")
    return "d4rl"


def _known(name: str) -> str:
    if name not in FORMATS:
        raise DatasetError(f"Unknown format {name!r}; known are {', '.join(FORMATS)}.")
    return name
