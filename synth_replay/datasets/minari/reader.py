"""Reader of local Minari datasets, which are episodes of T steps and T + 1 observations."""

from __future__ import annotations

import json
import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from synth_replay.datasets.atomic_files import reading
from synth_replay.datasets.dataset import Dataset, ReadOptions
from synth_replay.datasets.episodes import Columns, aligned, join_episodes
from synth_replay.datasets.minari.spaces import space_from_minari
from synth_replay.datasets.minari.storage import MAIN_FILE, stored_episodes
from synth_replay.datasets.space_inference import resolve_spec
from synth_replay.errors import DatasetFormatError, InvalidTransitionsError
from synth_replay.spaces import Array

METADATA = "metadata.json"


def datasets_root() -> Path:
    """Returns the folder in which Minari keeps local datasets."""
    return Path(os.environ.get("MINARI_DATASETS_PATH") or Path.home() / ".minari" / "datasets")


def find_minari(path: Path) -> Path | None:
    """Returns the data folder of a Minari dataset, or None if there is no such dataset.

    Args:
        path: Folder, data folder, main file or id of the dataset.
    """
    start = path.parent if path.name == MAIN_FILE else path
    for folder in (start / "data", start, datasets_root() / path / "data"):
        if (folder / METADATA).is_file():
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
        with reading(folder / METADATA):
            metadata: dict[str, Any] = json.loads((folder / METADATA).read_text())
            self._storage, self._count = str(metadata["data_format"]), int(metadata["total_episodes"])
            rows = int(metadata["total_steps"])
            stored = [space_from_minari(metadata.pop(f"{name}_space", None)) for name in ("observation", "action")]
        if rows == 0:
            raise DatasetFormatError(f"{path} holds no transitions.")
        with reading(path):
            first = next(stored_episodes(folder, self._storage, 1))
            heads = {name: array[:0] for name, array in first.items()}
            heads |= {f"next_{name}": head for name, head in heads.items() if name.split("/")[0] == "observations"}
            spec, notes = resolve_spec(options, (stored[0], stored[1]), heads, self._actions)
        super().__init__(path, spec, rows, metadata.pop("synth_replay", {}) | metadata, notes)

    def _actions(self) -> Iterator[Array]:
        for episode in stored_episodes(self._folder, self._storage, self._count, ("actions",)):
            yield episode["actions"]

    def _blocks(self, rows: int) -> Generator[Columns]:
        yield from join_episodes(self._episodes(), min(rows, len(self)))

    def _episodes(self) -> Iterator[Columns]:
        for number, episode in enumerate(stored_episodes(self._folder, self._storage, self._count)):
            observations = {name: episode.pop(name) for name in list(episode) if name.startswith("observations")}
            _require_complete(f"{self.path}, episode {number}", observations, episode)
            yield aligned(observations, episode)


def _require_complete(place: str, observations: Columns, episode: Columns) -> None:
    """Checks that an episode's columns have fitting lengths, and that it ends at its last step only."""
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
    ends = np.flatnonzero(episode["terminations"].astype(bool) | episode["truncations"].astype(bool))
    if ends.tolist() != [steps - 1]:
        raise InvalidTransitionsError(
            f"{place}: an episode must end, terminated or truncated, at its last step {steps - 1} and nowhere else; it "
            f"ends at {ends[:5].tolist() or 'none'}."
        )
