"""Reader of untrusted NumPy archives: only arrays of numbers, and only of sizes that the archive can hold."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from synth_replay.datasets.memory import array_bytes, require_content, require_memory
from synth_replay.errors import DatasetFormatError
from synth_replay.safe_paths import shown
from synth_replay.spaces import Array

METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # those that NumPy writes
_REMEDY = "Save it in C order, in smaller pieces, or use a machine with more memory."


class Header(NamedTuple):
    """Header of an array: its shape, whether it is in Fortran order, and its dtype."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[Any]

    @property
    def row_bytes(self) -> int:
        """Bytes of one row."""
        return array_bytes(self.shape[1:], self.dtype)


class Archive:
    """An open archive; pickled arrays are never loaded.

    Args:
        path: The file.

    Raises:
        DatasetFormatError: If its members overlap, or an array has named fields.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("rb")
        try:
            self._zip = zipfile.ZipFile(self._file)
            packed = sum(member.compress_size for member in self._zip.infolist())
            if packed > path.stat().st_size:
                raise DatasetFormatError(f"{path} is damaged: its members overlap. Copy or download it again.")
        except BaseException:
            self._file.close()
            raise
        self.comment = self._zip.comment

    def headers(self) -> dict[str, Header]:
        """Reads the headers of all arrays by name."""
        try:
            return {name: self._header(name) for name in self.names()}
        except BaseException:
            self.close()
            raise

    def names(self) -> list[str]:
        """Returns the names of all arrays."""
        members = self._zip.namelist()
        return [member.removesuffix(".npy") for member in members if member.endswith(".npy")]

    def check(self, name: str) -> Header:
        """Returns the header of an array after checking that the archive can hold its values.

        Raises:
            DatasetFormatError: If it cannot, or compresses the array in a way that NumPy does not use.
        """
        member, header = self._zip.getinfo(f"{name}.npy"), self._header(name)
        place = f"{self._path}: {shown(name)}"
        if member.compress_type not in METHODS:
            raise DatasetFormatError(f"{place} is compressed in a way that NumPy does not use. Save it with NumPy.")
        announced = array_bytes(header.shape, header.dtype)
        if header.dtype.kind != "O" and member.file_size < announced:
            raise DatasetFormatError(
                f"{place} is cut short or damaged: its header announces {announced:,} bytes, and {member.file_size:,} "
                "are there. Copy or download it again."
            )
        require_content(place, announced, member.compress_size)
        return header

    def read(self, name: str) -> Array:
        """Reads an array.

        Raises:
            DatasetFormatError: If it is damaged, or holds objects.
            DatasetError: If it does not fit into memory.
        """
        header = self.check(name)
        place = f"{self._path}: {shown(name)}"
        if header.dtype.kind not in "biufc":
            raise DatasetFormatError(f"{place} holds {str(header.dtype)[:60]} values, not numbers. Save it as numbers.")
        size = array_bytes(header.shape, header.dtype)
        require_memory(place, size, "its values", "Split it into smaller ones, or use a machine with more memory.")
        with self._zip.open(f"{name}.npy") as stream:
            _read_header(stream)
            flat = np.frombuffer(_exactly(stream, size), header.dtype)
        return flat.reshape(header.shape, order="F" if header.fortran else "C")

    def blocks(self, name: str, rows: int, skip: int = 0) -> Iterator[Array]:
        """Yields an array in writable blocks of at most ``rows`` rows, from row ``skip`` on."""
        shape, fortran, dtype = header = self.check(name)
        if fortran and len(shape) > 1:
            require_memory(f"{self._path}: {shown(name)}", shape[0] * header.row_bytes, "its values", _REMEDY)
            whole = self.read(name)
            yield from (whole[i : i + rows].copy() for i in range(skip, shape[0], rows))
            return
        with self._zip.open(f"{name}.npy") as stream:
            _read_header(stream)
            _skip(stream, skip * header.row_bytes)
            for start in range(skip, shape[0], rows):
                count = min(rows, shape[0] - start)
                yield np.frombuffer(_exactly(stream, count * header.row_bytes), dtype).reshape(count, *shape[1:])

    def close(self) -> None:
        """Closes the archive."""
        self._zip.close()
        self._file.close()  # closing the archive alone would wait for columns that are still being read

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _header(self, name: str) -> Header:
        with self._zip.open(f"{name}.npy") as stream:
            return _read_header(stream)


def _read_header(stream: IO[bytes]) -> Header:
    version = np.lib.format.read_magic(stream)
    if version == (1, 0):
        found = Header(*np.lib.format.read_array_header_1_0(stream))
    elif version == (2, 0):
        found = Header(*np.lib.format.read_array_header_2_0(stream))
    else:
        raise DatasetFormatError(f"An array of npy version {version} has named fields: save one array per column.")
    if any(size < 0 for size in found.shape):
        raise ValueError(f"an array has the shape {found.shape}")
    return found


def _skip(stream: IO[bytes], count: int) -> None:
    while count:
        count -= len(_exactly(stream, min(count, 1 << 20)))


def _exactly(stream: IO[bytes], count: int) -> bytearray:
    data = bytearray(count)
    view, filled = memoryview(data), 0
    while filled < count:
        got = stream.readinto(view[filled:])  # type: ignore[attr-defined]
        if not got:
            raise EOFError("it ends early")
        filled += got
    return data
