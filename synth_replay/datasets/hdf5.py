"""Helpers for HDF5: recognise a file, and write one so that a full disk raises a clear error."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

from synth_replay.datasets.optional_imports import load_extra

SIGNATURE = b"\x89HDF\r\n\x1a\n"
SPEC_ATTRIBUTE = "synth_replay"


def is_hdf5(path: Path) -> bool:
    """Whether a file is HDF5: its signature is at byte 0, or behind a user block of 512, 1024, 2048, ... bytes."""
    with path.open("rb") as file:
        size, place = os.fstat(file.fileno()).st_size, 0
        while place < size:
            file.seek(place)
            if file.read(len(SIGNATURE)) == SIGNATURE:
                return True
            place = max(512, 2 * place)
    return False


class _Disk(io.FileIO):
    """A file that stores its first write error and then reports success.

    HDF5 cannot close a file whose buffers it cannot write, and then crashes the process at exit. So HDF5 is told that
    every write succeeded, and :class:`Hdf5Output` raises the stored error.
    """

    error: OSError | None = None

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        done = 0
        try:
            while self.error is None and done < len(view):
                done += super().write(view[done:])
        except OSError as error:
            self.error = error
        return len(view)

    def truncate(self, size: int | None = None) -> int:
        try:
            return super().truncate(size)
        except OSError as error:
            self.error = self.error or error
            return size or 0


class Hdf5Output:
    """A new HDF5 file, open for writing as ``file``.

    Args:
        path: File to write.
        many_objects: Whether to use the layout of HDF5 1.10, which is fast for thousands of small objects.
    """

    def __init__(self, path: Path, many_objects: bool = False) -> None:
        h5py = load_extra("h5py")
        self._disk = _Disk(path, "w+b")
        self.file: Any = h5py.File(self._disk, "w", libver=("v110", "v110") if many_objects else None)

    def require_written(self) -> None:
        """Raises the stored error if a write has failed.

        Raises:
            OSError: If a write has failed.
        """
        if self._disk.error is not None:
            raise self._disk.error

    def finish(self) -> None:
        """Closes the file.

        Raises:
            OSError: If a write has failed.
        """
        self.close()
        self.require_written()

    def close(self) -> None:
        """Closes the file; may be called twice, and after a failure."""
        self.file.close()
        self._disk.close()
