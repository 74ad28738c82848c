"""Reader and writer of D4RL's HDF5: one HDF5 dataset per column, with ``terminals`` and ``timeouts``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from synth_replay.datasets.column_files import ColumnFile, ColumnFileDataset
from synth_replay.datasets.columns import stored_columns, stored_dtype
from synth_replay.datasets.hdf5 import SPEC_ATTRIBUTE, Hdf5Output
from synth_replay.datasets.stored_hdf5 import open_hdf5
from synth_replay.datasets.writer import DatasetWriter
from synth_replay.spaces import Array

NAMES = {"terminations": "terminals", "truncations": "timeouts"}
CHUNK_BYTES = 1 << 18


class Hdf5Columns(ColumnFile):
    """The columns of an open HDF5 file; arrays in groups are named ``group/name``."""

    def __init__(self, path: Path) -> None:
        self._opened = ExitStack()
        try:
            file = self._opened.enter_context(open_hdf5(path))
            self.spec_header = file.attribute(SPEC_ATTRIBUTE)
            self._arrays = file.arrays()
            self.heads = {name: array.head for name, array in self._arrays.items()}
            self.lengths = {name: len(array) for name, array in self._arrays.items()}
        except BaseException:
            self._opened.close()
            raise

    def check(self, name: str) -> None:
        """Checks that the file itself holds as many values of a column as it announces."""
        self._arrays[name].check()

    def blocks(self, name: str, rows: int, skip: int = 0) -> Iterator[Array]:
        """Yields a column in slices of at most ``rows`` rows, from row ``skip`` on."""
        column = self._arrays[name].check()
        for start in range(skip, len(column), rows):
            yield column.rows(start, min(start + rows, len(column)))

    def close(self) -> None:
        """Closes the file."""
        self._opened.close()


class D4rlDataset(ColumnFileDataset):
    """A D4RL file, or another HDF5 file with D4RL's columns."""

    format = "d4rl"

    def _open(self) -> Hdf5Columns:
        return Hdf5Columns(self.path)


class D4rlWriter(DatasetWriter):
    """Writes compressed columns with ``next_observations``, ``terminals`` and ``timeouts``.

    Rows without truncations are unrelated to one another, so each one is marked as an episode of its own. Readers that
    ignore ``next_observations`` and shift ``observations`` then drop rows instead of joining unrelated ones.
    """

    format = "d4rl"
    has_spec_header = True
    rows_are_episodes = True
    _out: Hdf5Output | None = None

    def _begin(self, partial: Path) -> None:
        self._out = Hdf5Output(partial)
        self._out.file.attrs[SPEC_ATTRIBUTE] = self.spec_header
        for name, leaf in stored_columns(self.spec).items():
            dtype = stored_dtype(leaf.dtype)
            rows = max(1, min(self.rows, CHUNK_BYTES // max(leaf.size * dtype.itemsize, 1)))
            self._out.file.create_dataset(
                NAMES.get(name, name),
                (self.rows, *leaf.shape),
                dtype,
                chunks=(rows, *leaf.shape),
                compression="gzip",
                compression_opts=1,
                shuffle=True,
            )

    def _append(self, leaves: dict[str, Array]) -> None:
        assert self._out is not None
        for name, array in leaves.items():
            self._out.file[NAMES.get(name, name)][self.written : self.written + len(array)] = array
        self._out.require_written()

    def _finish(self) -> None:
        assert self._out is not None
        self._out.finish()

    def _release(self) -> None:
        if self._out is not None:
            self._out.close()
