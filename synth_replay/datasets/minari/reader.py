"""Reader of local Minari datasets, which are episodes of T steps and T + 1 observations."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces

from synth_replay.datasets.atomic_files import reading
from synth_replay.datasets.column_names import require_names
from synth_replay.datasets.dataset import Dataset, ReadOptions
from synth_replay.datasets.episodes import Columns, aligned, join_episodes
from synth_replay.datasets.json_values import JsonValue, read_json
from synth_replay.datasets.minari.spaces import space_from_minari
from synth_replay.datasets.minari.storage import MAIN_FILE, METADATA, NAMES, stored_episodes
from synth_replay.datasets.space_inference import resolve_spec
from synth_replay.datasets.spec_header import Spaces
from synth_replay.errors import DatasetFormatError, InvalidTransitionsError, UnsupportedSpaceError
from synth_replay.safe_paths import plain_folder
from synth_replay.spaces import Array, space_leaves

FLAGS = ("terminations", "truncations")
NUMBERS, PICTURES = "biuf", "biufO"  # kinds of dtypes; encoded pictures are objects, which the spec refuses
UNFLAGGED_NOTE = (
    "{count} of {episodes} episodes end without a flag: they are read as cut short, so their last step is truncated"
)


def datasets_root() -> Path:
    """Returns the folder in which Minari keeps local datasets."""
    return Path(os.environ.get("MINARI_DATASETS_PATH") or Path.home() / ".minari" / "datasets")


def find_minari(path: Path) -> Path | None:
    """Returns the data folder of a Minari dataset, or None if there is no such dataset.

    Args:
        path: Folder, data folder, main file or id of the dataset.
    """
    start = path.parent if path.name == MAIN_FILE else path
    for folder in (start, datasets_root() / path):
        if (folder / "data" / METADATA).is_file():
            return plain_folder(folder, "data", DatasetFormatError)
        if folder == start and (folder / METADATA).is_file():
            return folder
    return None


class MinariDataset(Dataset):
    """A Minari dataset; row t of each episode is ``(o_t, a_t, r_t, o_{t+1})``."""

    format = "minari"

    def __init__(self, path: Path, options: ReadOptions) -> None:
        folder = find_minari(path)
        if folder is None:
            raise DatasetFormatError(f"{path} is no Minari dataset: there is no data/{METADATA} in it.")
        self._folder = folder
        metadata = read_json(folder, METADATA)
        self._storage, self._count = metadata["data_format"].text(), metadata["total_episodes"].count()
        rows = metadata["total_steps"].count()
        observation, action = (_space(metadata, f"{name}_space") for name in ("observation", "action"))
        if rows == 0 or self._count == 0:
            raise DatasetFormatError(f"{path} holds no transitions.")
        self._shapes = _shapes((options.observation_space or observation, options.action_space or action))
        with reading(path):
            heads = self._heads(next(self._stored(1)))
            spec, notes = resolve_spec(path, options, (observation, action), heads, self._column)
            notes += self._unflagged()
        ours = metadata.get("synth_replay")
        meta = {k: v for k, v in metadata.plain().items() if k not in ("observation_space", "action_space")}
        meta.pop("synth_replay", None)
        super().__init__(path, spec, rows, ({} if ours is None else ours.plain()) | meta, notes)

    def _heads(self, first: Columns) -> Columns:
        require_names(first, lambda text: DatasetFormatError(f"{self._folder}: {text}"))
        heads = {name: array[:0] for name, array in first.items()}
        return heads | {f"next_{name}": head for name, head in heads.items() if name.split("/")[0] == "observations"}

    def _column(self, leaf: str) -> Iterator[Array]:
        for episode in self._stored(self._count, (leaf.split("/")[0],)):
            yield episode[leaf]

    def _unflagged(self) -> list[str]:
        """Returns a note on the episodes that end without a flag, if there are any."""
        ends = [episode[a][-1:] | episode[b][-1:] for episode in self._stored(self._count, FLAGS) for a, b in [FLAGS]]
        count = sum(not end.all() for end in ends if len(end))
        return [UNFLAGGED_NOTE.format(count=count, episodes=len(ends))] if count else []

    def _stored(self, count: int, names: tuple[str, ...] = NAMES) -> Iterator[Columns]:
        """Yields the columns of episodes, in the shapes of their spaces, with flags as bool."""
        for number, episode in enumerate(stored_episodes(self._folder, self._storage, count, names)):
            place = f"{self._folder}, episode {number}"
            if lost := [name for name in names if name not in ("observations", *episode)]:
                raise DatasetFormatError(f"{place} has no array {', '.join(lost)}. Record it again.")
            yield {name: self._in_shape(place, name, array) for name, array in episode.items()}

    def _in_shape(self, place: str, name: str, array: Array) -> Array:
        """Returns a column as ``[n, *shape]``: Arrow stores matrices as vectors."""
        if array.ndim == 0 or array.dtype.kind not in (PICTURES if name.startswith("observations") else NUMBERS):
            raise DatasetFormatError(f"{place}: {name} is {array.dtype} of shape {array.shape}. Record it again.")
        if name in FLAGS:
            return np.asarray(array.reshape(-1) != 0)
        shape = self._shapes.get(name, array.shape[1:])
        return array.reshape(len(array), *shape) if array[:1].size == np.prod(shape) * len(array[:1]) else array

    def _blocks(self, rows: int) -> Generator[Columns]:
        yield from join_episodes(self._episodes(), rows)

    def _episodes(self) -> Iterator[Columns]:
        for number, episode in enumerate(self._stored(self._count)):
            observations = {name: episode.pop(name) for name in list(episode) if name.startswith("observations")}
            _require_complete(f"{self.path}, episode {number}", observations, episode)
            episode["truncations"][-1] |= not episode["terminations"][-1]
            yield aligned(observations, episode)


def _space(metadata: JsonValue, key: str) -> spaces.Space[Any] | None:
    held = metadata.get(key)
    return None if held is None else space_from_minari(held.text(), metadata.path, key)


def _shapes(held: Spaces) -> dict[str, tuple[int, ...]]:
    """Returns the shape of one row by leaf name, for spaces that are known and can be modelled."""
    found: dict[str, tuple[int, ...]] = {}
    for name, space in zip(("observations", "actions"), held, strict=True):
        with suppress(UnsupportedSpaceError):  # the spec says why
            found |= {} if space is None else {leaf.name: leaf.shape for leaf in space_leaves(name, space)}
    return found


def _require_complete(place: str, observations: Columns, episode: Columns) -> None:
    """Checks that an episode's columns have fitting lengths, and that no flag is set before its last step."""
    steps = len(episode["rewards"])
    lengths = {name: len(array) for name, array in episode.items()}
    if set(lengths.values()) != {steps} or steps == 0:
        raise InvalidTransitionsError(f"{place}: all columns need the same number of steps, at least 1; got {lengths}.")
    for name, array in observations.items():
        if len(array) != steps + 1:
            raise InvalidTransitionsError(
                f"{place}: {steps} steps need {steps + 1} observations, with the last one; {name} has {len(array)}. "
                "Record the dataset with minari.DataCollector."
            )
    ends = np.flatnonzero(episode["terminations"] | episode["truncations"])
    if ends.tolist() not in ([], [steps - 1]):
        raise InvalidTransitionsError(
            f"{place}: an episode may only end, terminated or truncated, at its last step {steps - 1}; it ends at "
            f"{ends[:5].tolist()}."
        )
