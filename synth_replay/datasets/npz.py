"""Reader and writer of NumPy archives, which stream: SynthER's layout (``terminals``) and ours (``terminations``)."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import numpy as np

from synth_replay.checkpoint import temporary_path
from synth_replay.datasets.atomic_files import remove
from synth_replay.datasets.column_files import ColumnFile, ColumnFileDataset
from synth_replay.datasets.columns import stored_columns, stored_dtype
from synth_replay.datasets.writer import DatasetWriter
from synth_replay.errors import DatasetFormatError
from synth_replay.spaces import Array

Header = tuple[tuple[int, ...], bool, np.dtype[Any]]


class NpzFile(ColumnFile):
    """The columns of an open archive; pickled arrays are never loaded."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        try:
            self._zip = zipfile.ZipFile(self._file)
            self._survey()
        except BaseException:
            self._file.close()
            raise

    def _survey(self) -> None:
        self.spec_header = self._zip.comment
        self.heads, self.lengths = {}, {}
        for member in self._zip.namelist():
            name = member.removesuffix(".npy")
            if name == member:
                continue
            with self._zip.open(member) as stream:
                shape, _, dtype = _read_header(stream)
            if shape:
                self.heads[name], self.lengths[name] = np.empty((0, *shape[1:]), dtype), shape[0]

    def blocks(self, name: str, rows: int, skip: int = 0) -> Iterator[Array]:
        """Yields a column in blocks of at most ``rows`` rows, from row ``skip`` on.

        Blocks are decompressed one by one; only columns in Fortran order are read at once.
        """
        with self._zip.open(f"{name}.npy") as stream:
            shape, fortran, dtype = _read_header(stream)
            row = int(np.prod(shape[1:], dtype=int)) * dtype.itemsize
            if fortran and len(shape) > 1:
                whole = np.frombuffer(_exactly(stream, shape[0] * row), dtype).reshape(shape, order="F")
                yield from (whole[i : i + rows].copy() for i in range(skip, shape[0], rows))
                return
            _exactly(stream, skip * row)
            for start in range(skip, shape[0], rows):
                count = min(rows, shape[0] - start)
                yield np.frombuffer(_exactly(stream, count * row), dtype).reshape(count, *shape[1:])

    def close(self) -> None:
        """Closes the archive."""
        self._zip.close()
        self._file.close()  # closing the archive alone would wait for columns that are still being read


def _read_header(stream: IO[bytes]) -> Header:
    version = np.lib.format.read_magic(stream)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(stream)
    if version == (2, 0):
        return np.lib.format.read_array_header_2_0(stream)
    raise DatasetFormatError(f"An array of npy version {version} has named fields: save one array per column.")


def _exactly(stream: IO[bytes], count: int) -> bytearray:
    data = bytearray(count)
    view, filled = memoryview(data), 0
    while filled < count:
        got = stream.readinto(view[filled:])  # type: ignore[attr-defined]
        if not got:
            raise EOFError("it ends early")
        filled += got
    return data


class NpzDataset(ColumnFileDataset):
    """A NumPy archive with one array per column."""

    format = "npz"
    file_type = NpzFile


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
        for name, leaf in stored_columns(self.spec).items():
            path = self._folder / f"{name}.npy"
            path.parent.mkdir(parents=True, exist_ok=True)
            self._files[name] = file = path.open("wb")
            descr = np.lib.format.dtype_to_descr(stored_dtype(leaf.dtype))
            header = {"descr": descr, "fortran_order": False, "shape": (self.rows, *leaf.shape)}
            np.lib.format.write_array_header_1_0(file, header)

    def _append(self, leaves: dict[str, Array]) -> None:
        for name, array in leaves.items():
            self._files[name].write(np.ascontiguousarray(array).data)

    def _finish(self) -> None:
        with zipfile.ZipFile(self._partial, "w", zipfile.ZIP_STORED) as archive:
            for name, file in self._files.items():
                file.close()
                path = self._folder / f"{name}.npy"
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
