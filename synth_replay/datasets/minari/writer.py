"""Writer of Minari datasets: every row becomes an episode of one step."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from synth_replay.datasets.atomic_files import writing
from synth_replay.datasets.compact_hdf5 import CompactHdf5Writer
from synth_replay.datasets.hdf5 import Hdf5Output
from synth_replay.datasets.minari.reader import datasets_root
from synth_replay.datasets.minari.spaces import space_to_minari
from synth_replay.datasets.minari.storage import MAIN_FILE, METADATA
from synth_replay.datasets.writer import DatasetWriter
from synth_replay.errors import DatasetError
from synth_replay.spaces import Array
from synth_replay.transitions import TransitionSpec

MINARI_VERSION = "0.5.3"  # the oldest release that reads this layout; newer ones do too
DESCRIPTION = "Transitions written by synth_replay. Rows are unrelated: each is an episode of one step."


class MinariWriter(DatasetWriter):
    """Writes a dataset that :func:`minari.load_dataset` reads (HDF5 storage).

    Each row becomes an episode of two observations and one step, which terminates or is truncated. HDF5 needs six
    objects per row, about 0.5 ms and 2 kB: for millions of rows, another format is faster.

    With ``meta["env_spec"]``, Gymnasium's JSON of the environment, Minari can recover the environment.
    """

    format = "minari"
    extras = ()
    _out: Hdf5Output | None = None

    def __init__(self, path: Path, spec: TransitionSpec, rows: int, meta: dict[str, Any], overwrite: bool) -> None:
        if not re.search(r"^[-\w]+-v\d+$", path.name):
            raise DatasetError(
                f"Minari requires a version in the name: call it {path.stem or 'name'}-v0, not {path.name!r}."
            )
        super().__init__(path, spec, rows, meta, overwrite)

    def _begin(self, partial: Path) -> None:
        (partial / "data").mkdir(parents=True)
        self._out = Hdf5Output(partial / "data" / MAIN_FILE, many_objects=True)
        self._compact = CompactHdf5Writer(self._out.file)

    def _append(self, leaves: dict[str, Array]) -> None:
        assert self._out is not None
        columns = {leaf.name: leaves[leaf.name].astype(leaf.dtype, copy=False) for leaf in self.spec.leaves}
        columns["truncations"] = ~columns["terminations"]
        pairs = {n: np.stack([columns.pop(n), columns.pop(f"next_{n}")], axis=1) for n in _observations(columns)}
        steps = pairs | {name: array[:, None] for name, array in columns.items()}
        for row in range(len(leaves["rewards"])):
            episode = self.written + row
            for name, array in steps.items():
                self._compact.write(f"episode_{episode}/{name}", array[row])
            self._compact.annotate(f"episode_{episode}", {"id": episode, "total_steps": 1})
        self._out.require_written()

    def _finish(self) -> None:
        assert self._out is not None
        self._out.finish()
        data = self._partial / "data"
        metadata = self._metadata() | {"dataset_size": round((data / MAIN_FILE).stat().st_size / 1e6, 1)}
        with writing(data):
            (data / METADATA).write_text(json.dumps(metadata))

    def _metadata(self) -> dict[str, Any]:
        known = {key: self.meta[key] for key in ("env_spec", "description") if isinstance(self.meta.get(key), str)}
        return {
            "total_episodes": self.rows,
            "total_steps": self.rows,
            "data_format": "hdf5",
            "jpeg_encoding": False,
            "observation_space": space_to_minari(self.spec.observation_space),
            "action_space": space_to_minari(self.spec.action_space),
            "dataset_id": _dataset_id(self.path),
            "minari_version": MINARI_VERSION,
            "algorithm_name": "synth_replay",
            "description": DESCRIPTION,
            "synth_replay": self.meta,
        } | known

    def _release(self) -> None:
        if self._out is not None:
            self._out.close()


def _observations(columns: dict[str, Array]) -> list[str]:
    return [name for name in columns if name.split("/")[0] == "observations"]


def _dataset_id(path: Path) -> str:
    """Returns the id under which Minari finds the dataset: its path below the root of all datasets."""
    place, root = path.resolve(), datasets_root().resolve()
    return place.relative_to(root).as_posix() if place.is_relative_to(root) else path.name
