"""HDF5 files, read with clear errors and written so that a full disk is one."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from synth_replay.datasets.extras import load_extra

SIGNATURE = b"\x89HDF\r\n\x1a\n"
STAMP = "synth_replay"
FRAME_KEYS = {"observation"}  # of V-D4RL; all other formats say observations


@contextmanager
def open_hdf5(path: Path) -> Iterator[Any]:
    """An HDF5 file open for reading."""
    with load_extra("h5py").File(path, "r") as file:
        yield file


def holds_frames(path: Path) -> bool:
    """Whether an HDF5 file is V-D4RL's."""
    with open_hdf5(path) as file:
        return set(file) >= FRAME_KEYS


class _Disk(io.FileIO):
    """A file that keeps its first write error and then pretends.

    HDF5 cannot close a file whose buffers it cannot write, and crashes the process at exit over it. So it is told
    that all went well, and the error is raised here.
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
    """A new HDF5 file, in the layout that is fast for many small objects.

    Args:
        path: Where to write.
        many_objects: Whether the file will hold thousands of objects, which takes HDF5 1.10's layout.
    """

    def __init__(self, path: Path, many_objects: bool = False) -> None:
        h5py = load_extra("h5py")
        self._disk = _Disk(path, "w+b")
        self.file: Any = h5py.File(self._disk, "w", libver=("v110", "v110") if many_objects else None)

    def require_written(self) -> None:
        """Raises what the disk said, if it refused a write."""
        if self._disk.error is not None:
            raise self._disk.error

    def finish(self) -> None:
        """Closes the file.

        Raises:
            OSError: If any write failed.
        """
        self.close()
        self.require_written()

    def close(self) -> None:
        """Closes the file, also twice and after a failure."""
        self.file.close()
        self._disk.close()
