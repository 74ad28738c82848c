"""Reader of robomimic's HDF5: demonstrations ``data/demo_N`` with the groups ``obs`` and ``next_obs``.

MimicGen, LIBERO and robosuite store the same layout. Source: Mandlekar et al. 2021, "What Matters in Learning from
Offline Human Demonstrations for Robot Manipulation".
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from synth_replay.datasets.atomic_files import reading
from synth_replay.datasets.column_files import TERMINAL_NOTE
from synth_replay.datasets.column_names import require_names
from synth_replay.datasets.dataset import Dataset, ReadOptions
from synth_replay.datasets.episodes import Columns, join_episodes
from synth_replay.datasets.json_values import listed, parse_json
from synth_replay.datasets.space_inference import resolve_spec
from synth_replay.datasets.stored_hdf5 import StoredGroup, open_hdf5
from synth_replay.errors import DatasetFormatError, InvalidTransitionsError
from synth_replay.spaces import Array

NEEDED = ("obs", "actions", "rewards", "dones")
NAMES = {"actions": "actions", "rewards": "rewards", "terminations": "dones"}
DONES_NOTE = (
    "the file's dones are read as terminations: if the file was made with --done_mode 1 or 2, robomimic has also set "
    "them at the end of every demonstration"
)
CUT_NOTE = "the file does not store next_obs: {count} last steps, of demonstrations without a done, are dropped"
_DEMO = re.compile(r"demo_(\d+)")


def holds_demonstrations(file: StoredGroup) -> bool:
    """Whether an open HDF5 file has robomimic's layout."""
    found = file["data"] if "data" in file.names() else None
    return isinstance(found, StoredGroup) and any(map(_DEMO.fullmatch, found.names()))


class RobomimicDataset(Dataset):
    """Demonstrations in order of their number; the keys of ``obs`` become a Dict space.

    Without ``next_obs``, the next observation is the observation of the following step. The last step of a
    demonstration is then dropped, unless it is done. A done step is kept, with its own observation as the next one.
    """

    format = "robomimic"

    def __init__(self, path: Path, options: ReadOptions) -> None:
        self.path = path
        with reading(path), open_hdf5(path) as file:
            if not holds_demonstrations(file):
                raise DatasetFormatError(f"{path} holds no data/demo_0. Give a file in robomimic's layout.")
            data = file.group("data")
            self._demos = sorted(filter(_DEMO.fullmatch, data.names()), key=lambda name: int(name[5:]))
            self._has_next = "next_obs" in data.group(self._demos[0]).names()
            _require_columns(path, data, self._demos[0])
            self._require_alike(data)
            heads = {name: array[:0] for name, array in self._episode(data, self._demos[0]).items()}
            ends = [_end(data.group(demo)) for demo in self._demos]
            meta = _meta(path, data)
        with reading(path):
            spec, notes = resolve_spec(path, options, (None, None), heads, self._column)
        lengths, done = np.array([length for length, _ in ends]), np.array([done for _, done in ends])
        cut = 0 if self._has_next else int((~done & (lengths > 0)).sum())
        kept = 0 if self._has_next else int(done.sum())
        counted = {TERMINAL_NOTE: kept, CUT_NOTE: cut, DONES_NOTE: int(done.sum())}
        notes += [note.format(count=count) for note, count in counted.items() if count]
        super().__init__(path, spec, int(lengths.sum()) - cut, meta, notes)

    def _require_alike(self, data: StoredGroup) -> None:
        """Refuses a file in which only some demonstrations hold their next observations."""
        for demo in self._demos:
            if ("next_obs" in data.group(demo).names()) != self._has_next:
                raise DatasetFormatError(
                    f"{self.path}: {self._demos[0]} {'holds' if self._has_next else 'lacks'} next_obs, unlike {demo}. "
                    "Make the file again, with next_obs in all demonstrations or in none."
                )

    def _column(self, leaf: str) -> Iterator[Array]:
        top, _, key = leaf.partition("/")
        stored = f"obs/{key}" if top == "observations" else NAMES[top]
        with open_hdf5(self.path) as file:
            for demo in self._demos:
                yield file.array(f"data/{demo}/{stored}").read()

    def _blocks(self, rows: int) -> Generator[Columns]:
        yield from join_episodes(self._episodes(), rows)

    def _episodes(self) -> Iterator[Columns]:
        with open_hdf5(self.path) as file:
            data = file.group("data")
            for demo in self._demos:
                yield self._episode(data, demo)

    def _episode(self, data: StoredGroup, demo: str) -> Columns:
        """Returns the columns ``[T, ...]`` of a demonstration whose next observations are known."""
        group, place = data.group(demo), f"{self.path}, {demo}"
        columns = {leaf: group.array(name).read() for leaf, name in NAMES.items()}
        columns |= _observations(group, "obs", "observations")
        columns |= _observations(group, "next_obs", "next_observations") if self._has_next else {}
        require_names(columns, lambda text: DatasetFormatError(f"{place}: {text}"))
        _require_aligned(place, columns)
        done = columns["terminations"].reshape(-1) != 0
        last = np.arange(len(done)) == len(done) - 1
        columns |= {"terminations": done, "truncations": last & ~done}
        return columns if self._has_next else _shifted(columns)


def _observations(group: StoredGroup, name: str, column: str) -> Columns:
    """Reads a group of observations by leaf name; a single array becomes the column itself."""
    return {column + leaf.removeprefix(name): array for leaf, array in group.leaves(name).items()}


def _shifted(columns: Columns) -> Columns:
    """Adds next observations from the following step, and drops the last step unless it is terminal."""
    steps = len(columns["rewards"])
    ends = bool(steps and columns["terminations"][-1])
    kept = steps if ends else max(steps - 1, 0)
    after = np.minimum(np.arange(1, kept + 1), steps - 1)
    now = [name for name in columns if name.split("/")[0] == "observations"]
    following = {f"next_{name}": columns[name][after] for name in now}
    for name in now:
        terminal = np.flatnonzero(columns["terminations"][:kept])
        following[f"next_{name}"][terminal] = columns[name][terminal]
    return {name: array[:kept] for name, array in columns.items()} | following


def _require_columns(path: Path, data: StoredGroup, demo: str) -> None:
    held = data.group(demo).names()
    if missing := [name for name in NEEDED if name not in held]:
        raise DatasetFormatError(
            f"{path}: {demo} lacks {', '.join(missing)}; it holds {listed(held)}. Make the file with robomimic's "
            "dataset_states_to_obs.py."
        )


def _require_aligned(place: str, columns: Columns) -> None:
    for name, array in columns.items():
        if array.ndim == 0 or array.dtype.kind not in "biuf":
            raise DatasetFormatError(f"{place}: {name} is {array.dtype} of shape {array.shape}, not rows of numbers.")
    lengths = {name: len(array) for name, array in columns.items()}
    if len(set(lengths.values())) > 1 or columns["terminations"].size != len(columns["terminations"]):
        raise InvalidTransitionsError(f"{place}: all columns need the same number of steps; got {lengths}.")


def _end(group: StoredGroup) -> tuple[int, bool]:
    """Returns the number of steps of a demonstration, and whether its last step is done."""
    dones = group.array("dones")
    return len(dones), bool(len(dones) and np.any(dones.rows(len(dones) - 1, len(dones))))


def _meta(path: Path, data: StoredGroup) -> dict[str, Any]:
    """Returns the description of the environment that the file stores."""
    held = data.attribute("env_args")
    return {"env_args": parse_json(held, path, "env_args").value} if isinstance(held, str) else {}
