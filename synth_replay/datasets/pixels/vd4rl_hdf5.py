"""Reader and writer of V-D4RL's 84 px layout: HDF5 files of many episodes, as DrQ-v2 reads them.

Source: Lu et al. 2023, "Challenges and Opportunities in Offline Reinforcement Learning from Visual Observations".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from synth_replay.datasets.atomic_files import reading, writing
from synth_replay.datasets.hdf5 import Hdf5Output
from synth_replay.datasets.json_values import listed
from synth_replay.datasets.memory import array_bytes, require_memory
from synth_replay.datasets.pixels.dataset import PixelDataset, vector_space
from synth_replay.datasets.pixels.episode import PixelEpisode
from synth_replay.datasets.pixels.episode_files import (
    Arrays,
    all_frames,
    checked_episodes,
    require_layout,
    whole_output,
)
from synth_replay.datasets.pixels.vd4rl_rows import action_size, require_vd4rl, vd4rl_columns, vd4rl_episode
from synth_replay.datasets.stored_hdf5 import StoredGroup, open_hdf5
from synth_replay.errors import DatasetError, DatasetFormatError, InvalidTransitionsError, SpecMismatchError
from synth_replay.safe_paths import plain_file
from synth_replay.spaces import Array

COLUMNS = ("observation", "action", "reward", "discount", "step_type")
FIRST, MID, LAST = 0, 1, 2  # dm_env.StepType
SUFFIXES = (".hdf5", ".h5")
CHUNK_BYTES = 1 << 18


class _Place(NamedTuple):
    """The rows of an episode in a file: from ``start`` up to, but without, ``stop``."""

    file: Path
    start: int
    stop: int
    terminated: bool


class VD4rlHdf5Dataset(PixelDataset):
    """A V-D4RL file, or a folder of such files, ordered by file name.

    Args:
        path: The file or folder.
        size: Height and width of the frames in pixels.

    Raises:
        DatasetError: If the path does not exist.
        DatasetFormatError: If it holds no episodes, a file is damaged or lacks columns, frames have another shape, or
            an episode is cut short.
        InvalidTransitionsError: If columns differ in length.
        SpecMismatchError: If files differ in the size of their actions.
        MissingExtraError: If h5py is not installed.
    """

    format = "vd4rl-hdf5"

    def __init__(self, path: str | Path, size: int = 84) -> None:
        path = Path(path)
        self._places: list[_Place] = []
        widths = {}
        for shard in _shards(path):
            with reading(shard), open_hdf5(shard) as file:
                widths[shard.name] = _require_columns(shard, file, size)
                self._places += _find_episodes(shard, file)
        if len(set(widths.values())) > 1:
            raise SpecMismatchError(f"{path}: files differ in the size of an action: {widths}. Open them one by one.")
        lengths = [place.stop - place.start - 1 for place in self._places]
        super().__init__(path, lengths, (3, size, size), vector_space(next(iter(widths.values()))))

    def _read(self, numbers: Sequence[int]) -> Iterator[PixelEpisode]:
        for shard, places in groupby((self._places[number] for number in numbers), key=lambda place: place.file):
            with reading(shard), open_hdf5(shard) as file:
                for place in places:
                    yield _episode(place, file)


def write_vd4rl_hdf5(path: str | Path, episodes: Iterable[PixelEpisode]) -> int:
    """Writes V-D4RL's 84 px layout (frames may have another size), one episode at a time.

    Level seeds are not stored. If the frame after a termination is missing, the last frame is repeated.

    Args:
        path: File to make. It appears when the last episode is written.
        episodes: Episodes with square RGB frames and actions ``[T, A]`` in [-1, 1].

    Returns:
        Number of transitions.

    Raises:
        DatasetExistsError: If the path exists.
        DatasetError: If there are no episodes.
        SpecMismatchError: If episodes differ from one another, or do not fit the format.
        InvalidTransitionsError: If an action is outside [-1, 1].
        DatasetWriteError: If the disk is full or not writable.
        MissingExtraError: If h5py is not installed.
    """
    path = Path(path)
    with whole_output(path) as partial:
        with writing(path):
            out = Hdf5Output(partial)
        try:
            return _write_episodes(path, out, checked_episodes(episodes, require_vd4rl))
        finally:
            out.close()


def _write_episodes(path: Path, out: Hdf5Output, episodes: Iterable[PixelEpisode]) -> int:
    rows = 0
    for episode in episodes:
        with writing(path):
            _append(out.file, _columns(episode))
            out.require_written()
        rows += len(episode)
    with writing(path):
        out.finish()
    return rows


def _columns(episode: PixelEpisode) -> Arrays:
    columns = vd4rl_columns(episode)
    step_type = np.full(len(columns["reward"]), MID)
    step_type[0], step_type[-1] = FIRST, LAST
    return {"observation": all_frames(episode), "step_type": step_type} | columns


def _append(file: Any, columns: Arrays) -> None:
    for name, array in columns.items():
        if name not in file:
            row = array[:1].nbytes
            shape = (max(1, CHUNK_BYTES // row) if name == "observation" else 4096, *array.shape[1:])
            limits = (None, *array.shape[1:])
            file.create_dataset(name, data=array, maxshape=limits, chunks=shape, compression="gzip", compression_opts=1)
            continue
        stored = file[name]
        stored.resize(len(stored) + len(array), axis=0)
        stored[-len(array) :] = array


def _shards(path: Path) -> list[Path]:
    if not path.exists():
        raise DatasetError(f"{path} does not exist.")
    if path.is_file():
        return [path]
    found = sorted(child for child in path.iterdir() if child.suffix in SUFFIXES)
    if not found:
        raise DatasetFormatError(f"{path} holds no episodes: expected files that end in {' or '.join(SUFFIXES)}.")
    return [plain_file(path, shard.name, DatasetFormatError) for shard in found]


def _require_columns(path: Path, file: StoredGroup, size: int) -> int:
    """Checks a file's columns; returns the number of dimensions of an action."""
    if missing := [name for name in COLUMNS if name not in file]:
        raise DatasetFormatError(f"{path} lacks {', '.join(missing)}; it holds {listed(file.names())}.")
    rows = {name: len(file.array(name)) for name in COLUMNS}
    if len(set(rows.values())) > 1:
        raise InvalidTransitionsError(f"{path}: all columns need the same number of rows; got {rows}.")
    require_layout(path, file.array("observation").shape[1:], size, channels_first=True)
    return action_size(path, file.array("action").head)


def _find_episodes(path: Path, file: StoredGroup) -> list[_Place]:
    """Finds the episodes of a file: each runs from a FIRST row to the next LAST row, and there are no gaps."""
    kinds, discount = file.array("step_type").read().reshape(-1), file.array("discount").read().reshape(-1)
    if not np.isin(kinds, (FIRST, MID, LAST)).all():
        raise DatasetFormatError(f"{path}: step_type may only hold {FIRST} (first), {MID} and {LAST} (last).")
    starts, ends = np.flatnonzero(kinds == FIRST), np.flatnonzero(kinds == LAST)
    if len(kinds) and not _cover_all_rows(starts, ends, len(kinds)):
        raise DatasetFormatError(
            f"{path} holds an episode that is cut short: {len(starts)} begin and {len(ends)} end, and each must run "
            f"from a row of step_type {FIRST} to one of {LAST}. If episodes were split over files, join the files."
        )
    rows = zip(starts.tolist(), (ends + 1).tolist(), (discount[ends] == 0).tolist(), strict=True)
    return [_Place(path, *row) for row in rows]


def _cover_all_rows(starts: Array, ends: Array, rows: int) -> bool:
    if len(starts) != len(ends) or not len(starts):
        return False
    whole = starts[0] == 0 and ends[-1] == rows - 1
    return bool(whole and (starts < ends).all() and (starts[1:] == ends[:-1] + 1).all())


def _episode(place: _Place, file: StoredGroup) -> PixelEpisode:
    where = f"{place.file}, rows {place.start} to {place.stop - 1}"
    stored = {name: file.array(name) for name in ("observation", "action", "reward")}
    needed = sum(array_bytes((place.stop - place.start, *held.shape[1:]), held.dtype) for held in stored.values())
    require_memory(where, needed, "its rows", "Use a machine with more memory.")
    rows = {name: held.rows(place.start, place.stop) for name, held in stored.items()}
    return vd4rl_episode(where, rows["observation"], rows["action"], rows["reward"], place.terminated)
