"""Reader and writer of d3rlpy's HDF5: a few small arrays per episode, without the observation after the last step."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces

from synth_replay.datasets.atomic_files import reading
from synth_replay.datasets.column_files import TERMINAL_NOTE
from synth_replay.datasets.compact_hdf5 import CompactHdf5Writer
from synth_replay.datasets.dataset import Dataset, ReadOptions
from synth_replay.datasets.episodes import Columns, aligned, join_episodes
from synth_replay.datasets.hdf5 import SPEC_ATTRIBUTE, Hdf5Output
from synth_replay.datasets.optional_imports import load_extra
from synth_replay.datasets.space_inference import resolve_spec
from synth_replay.datasets.spec_header import read_spec_header
from synth_replay.datasets.stored_hdf5 import StoredGroup, open_hdf5
from synth_replay.datasets.writer import DatasetWriter
from synth_replay.errors import DatasetError, DatasetFormatError, InvalidTransitionsError, UnsupportedSpaceError
from synth_replay.spaces import Array
from synth_replay.transitions import TransitionSpec

VERSION = "2.1"
COLUMNS = ("observations", "actions", "rewards", "terminated")
CUT_NOTE = "the file does not store the observation after a time limit: {count} last steps are dropped"


class D3rlpyDataset(Dataset):
    """A file that d3rlpy's ``ReplayBuffer.dump`` wrote.

    The observation after the last step is not in the file. A truncated last step is dropped, as d3rlpy does. A terminal
    last step is kept, and its own observation is used as the next one; d3rlpy uses zeros. The reason is given at
    :class:`~synth_replay.datasets.column_files.ColumnFileDataset`.
    """

    format = "d3rlpy"

    def __init__(self, path: Path, options: ReadOptions) -> None:
        with reading(path), open_hdf5(path) as file:
            stored, meta = read_spec_header(file.attribute(SPEC_ATTRIBUTE), path)
            self._count = _whole(path, file, "num_episodes")
            _require_columns(path, file, self._count)
            terminated = np.array([bool(_whole(path, file, f"terminated_{i}")) for i in range(self._count)])
            lengths = np.array([len(file.array(f"actions_{i}")) for i in range(self._count)])
            heads = _heads({name: file.array(f"{name}_0").head for name in COLUMNS[:-1]})
        rows = int(lengths.sum() - (~terminated).sum())
        if rows == 0:
            raise DatasetFormatError(f"{path} holds no transitions.")
        with reading(path):
            spec, notes = resolve_spec(path, options, stored, heads, lambda name: _stored(path, self._count, name))
        # in files of this package, the last step of an episode only holds the next observation: no row is lost
        cut = 0 if stored[0] else int((~terminated).sum())
        ends = {TERMINAL_NOTE: int(terminated.sum()), CUT_NOTE: cut}
        notes += [note.format(count=count) for note, count in ends.items() if count]
        super().__init__(path, spec, rows, meta, notes)

    def _blocks(self, rows: int) -> Generator[Columns]:
        yield from join_episodes(self._episodes(), min(rows, len(self)))

    def _episodes(self) -> Iterator[Columns]:
        with open_hdf5(self.path) as file:
            for number in range(self._count):
                raw = {name: file.array(f"{name}_{number}").read() for name in COLUMNS}
                yield _rows(f"{self.path}, episode {number}", raw)


def _rows(place: str, raw: Columns) -> Columns:
    """Returns the rows of an episode whose next observation is known, and its terminal row."""
    for name, array in raw.items():
        if (array.size != 1 if name == "terminated" else array.ndim == 0) or array.dtype.kind not in "biuf":
            raise DatasetFormatError(f"{place}: {name} is {array.dtype} of shape {array.shape}. Dump it again.")
    lengths = {name: len(raw[name]) for name in COLUMNS[:-1]}
    if len(set(lengths.values())) > 1:
        raise InvalidTransitionsError(f"{place}: all columns need the same number of steps; got {lengths}.")
    observations, terminated = raw["observations"], bool(raw["terminated"])
    if terminated:
        observations = np.concatenate([observations, observations[-1:]])
    steps = len(observations) - 1
    terminations = np.zeros(steps, bool)
    terminations[steps - 1 :] = terminated
    columns = {"actions": raw["actions"][:steps], "rewards": raw["rewards"][:steps], "terminations": terminations}
    return aligned({"observations": observations}, columns)


def _whole(path: Path, file: StoredGroup, name: str) -> int:
    """Reads a whole number or a flag."""
    held = file.array(name)
    if held.shape not in ((), (1,)) or held.dtype.kind not in "biu":
        raise DatasetFormatError(f"{path}: {name} must be one whole number; it is {held.dtype} {held.shape}.")
    return int(held.read().reshape(-1)[0])


def _require_columns(path: Path, file: StoredGroup, count: int) -> None:
    if "observations_0_0" in file:
        raise UnsupportedSpaceError(f"{path} holds tuple observations: concatenate them into one vector first.")
    ends = (0, count - 1) if count else ()
    missing = sorted({f"{name}_{i}" for name in COLUMNS for i in ends if f"{name}_{i}" not in file})
    if missing or count < 0:
        raise DatasetFormatError(f"{path} announces {count} episodes and lacks {', '.join(missing)}. Dump it again.")
    if not count:
        raise DatasetFormatError(f"{path} holds no transitions.")


def _heads(first: Columns) -> Columns:
    heads = {name: array[:0] for name, array in first.items()}
    return heads | {"next_observations": heads["observations"], "terminations": np.zeros(0, bool)}


def _stored(path: Path, count: int, name: str) -> Iterator[Array]:
    with open_hdf5(path) as file:
        for number in range(count):
            yield file.array(f"{name}_{number}").read()


class D3rlpyWriter(DatasetWriter):
    """Writes a file that d3rlpy's ``ReplayBuffer.load`` reads, with as many transitions as there are rows.

    Each row becomes an episode. A terminal row is one step that terminates; this format cannot hold its next
    observation. Any other row is two steps that do not terminate: the second one holds the next observation, the next
    action (the row's own action if the spec has no next actions) and the reward 0. HDF5 needs four objects per row,
    about 0.4 ms and 1.4 kB: for millions of rows, another format is faster.
    """

    format = "d3rlpy"
    has_spec_header = True
    extras = ("next_actions",)
    _out: Hdf5Output | None = None

    def __init__(self, path: Path, spec: TransitionSpec, rows: int, meta: dict[str, Any], overwrite: bool) -> None:
        if isinstance(spec.observation_space, spaces.Dict) or not isinstance(
            spec.action_space, (spaces.Box, spaces.Discrete)
        ):
            raise DatasetError("d3rlpy supports array observations and Box or Discrete actions: write another format.")
        super().__init__(path, spec, rows, meta, overwrite)

    def _begin(self, partial: Path) -> None:
        self._out = Hdf5Output(partial, many_objects=True)
        file = self._out.file
        file.attrs[SPEC_ATTRIBUTE] = self.spec_header
        file.create_dataset("columns", data=list(COLUMNS), dtype=load_extra("h5py").string_dtype())
        file["num_episodes"], file["version"] = self.rows, VERSION
        self._compact = CompactHdf5Writer(file)

    def _append(self, leaves: dict[str, Array]) -> None:
        assert self._out is not None
        rows = len(leaves["rewards"])
        reward = np.zeros((rows, 2, 1), np.float32)
        reward[:, 0, 0] = leaves["rewards"]
        after = {"observations": leaves["next_observations"], "actions": leaves.get("next_actions", leaves["actions"])}
        pairs = {name: _vectors(np.stack([leaves[name], other], axis=1)) for name, other in after.items()}
        terminations = leaves["terminations"]
        for row, steps in enumerate(np.where(terminations, 1, 2).tolist()):
            episode = self.written + row
            for name, array in (pairs | {"rewards": reward}).items():
                self._compact.write(f"{name}_{episode}", array[row, :steps])
            self._compact.write(f"terminated_{episode}", np.asarray(terminations[row]))
        self._out.require_written()

    def _finish(self) -> None:
        assert self._out is not None
        self._out.finish()

    def _release(self) -> None:
        if self._out is not None:
            self._out.close()


def _vectors(pairs: Array) -> Array:
    """Returns ``[n, 2, ...]`` with at least one dimension per step, as d3rlpy stores discrete actions."""
    return pairs if pairs.ndim > 2 else pairs[:, :, None]
