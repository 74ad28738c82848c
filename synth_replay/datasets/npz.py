"""Reader and writer of NumPy archives, which stream: SynthER's layout (``terminals``) and ours (``terminations``)."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

import numpy as np

from synth_replay.checkpoint import temporary_path
from synth_replay.datasets.archives import Archive
from synth_replay.datasets.atomic_files import remove
from synth_replay.datasets.column_files import ColumnFile, ColumnFileDataset
from synth_replay.datasets.columns import stored_columns, stored_dtype
from synth_replay.datasets.writer import DatasetWriter
from synth_replay.spaces import Array


class NpzFile(ColumnFile):
    """The columns of an open archive; pickled arrays are never loaded."""

    def __init__(self, path: Path) -> None:
        self._archive = Archive(path)
        self.spec_header = self._archive.comment
        self.heads, self.lengths = {}, {}
        for name, header in self._archive.headers().items():
            if header.shape:
                self.heads[name] = np.empty((0, *header.shape[1:]), header.dtype)
                self.lengths[name] = header.shape[0]

    def check(self, name: str) -> None:
        """Checks that the archive holds as many values of a column as it announces."""
        self._archive.check(name)

    def blocks(self, name: str, rows: int, skip: int = 0) -> Iterator[Array]:
        """Yields a column in blocks of at most ``rows`` rows, from row ``skip`` on.

        Blocks are decompressed one by one; only columns in Fortran order are read at once.
        """
        return self._archive.blocks(name, rows, skip)

    def close(self) -> None:
        """Closes the archive."""
        self._archive.close()


class NpzDataset(ColumnFileDataset):
    """A NumPy archive with one array per column."""

    format = "npz"

    def _open(self) -> NpzFile:
        return NpzFile(self.path)


class NpzWriter(DatasetWriter):
    """Writes an uncompressed archive that :func:`numpy.load` and SynthER's offline training read.

    Columns grow as files beside the target and are moved into the archive one by one at the end. ``terminals`` repeats
    ``terminations`` under SynthER's name. The spec and ``meta`` are stored in the archive's comment, which NumPy
    ignores.
    """

    format = "npz"
    has_spec_header = True

    def _begin(self, partial: Path) -> None:
        self._files: dict[str, IO[bytes]] = {}
        self._folder = temporary_path(partial)
        remove(self._folder)
        self._folder.mkdir()
        for number, (name, leaf) in enumerate(stored_columns(self.spec).items()):
            self._files[name] = file = (self._folder / f"{number}.npy").open("wb")  # names may be unfit for files
            descr = np.lib.format.dtype_to_descr(stored_dtype(leaf.dtype))
            header = {"descr": descr, "fortran_order": False, "shape": (self.rows, *leaf.shape)}
            np.lib.format.write_array_header_1_0(file, header)

    def _append(self, leaves: dict[str, Array]) -> None:
        for name, array in leaves.items():
            self._files[name].write(np.ascontiguousarray(array).data)

    def _finish(self) -> None:
        with zipfile.ZipFile(self._partial, "w", zipfile.ZIP_STORED) as archive:
            for number, (name, file) in enumerate(self._files.items()):
                file.close()
                path = self._folder / f"{number}.npy"
                for alias in (name, "terminals") if name == "terminations" else (name,):
                    archive.write(path, f"{alias}.npy")
                path.unlink()
            remove(self._folder)
            archive.comment = self.spec_header.encode()

    def _release(self) -> None:
        for file in self._files.values():
            with suppress(OSError):  # the disk may be full
                file.close()
        remove(self._folder)
