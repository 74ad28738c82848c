"""Reader of untrusted HDF5 files: only arrays that lie in the file itself, and only of sizes that it can hold.

HDF5 files can refer to other files by external links, external storage and virtual datasets. Following these could read
any file of this machine, so each of them is an error.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from synth_replay.datasets.memory import HARMLESS_BYTES, array_bytes, require_content, require_memory
from synth_replay.datasets.optional_imports import load_extra
from synth_replay.errors import DatasetFormatError
from synth_replay.safe_paths import shown
from synth_replay.spaces import Array

MOST_LINKS = 8  # soft links that lead from one to the next
MAX_ATTRIBUTE = 1 << 20  # bytes
_CHUNK_REMEDY = "Write it again with smaller chunks."
_ARRAY_REMEDY = "Split it into smaller ones, or use a machine with more memory."


class StoredArray:
    """An array of an open file.

    Attributes:
        shape: Shape of the array.
        dtype: Dtype of the array; object if NumPy has no such type.
    """

    def __init__(self, path: Path, dataset: Any) -> None:
        self._path, self._dataset = path, dataset
        shape = dataset.shape
        if shape is None:
            raise DatasetFormatError(f"{self} is empty, without a shape. Write it again.")
        self.shape: tuple[int, ...] = tuple(int(size) for size in shape)
        self.dtype = _dtype(dataset)

    def __str__(self) -> str:
        return f"{self._path}: {self._dataset.name}"

    def __len__(self) -> int:
        return self.shape[0] if self.shape else 0

    @property
    def head(self) -> Array:
        """A zero-row array ``[0, *shape]``."""
        return np.empty((0, *self.shape[1:]), self.dtype)

    def check(self) -> StoredArray:
        """Checks that the array's values lie in this file, and that the file can hold them; returns the array.

        Raises:
            DatasetFormatError: If it refers to other files, or announces more than the file can hold.
            DatasetError: If one of its chunks does not fit into memory.
        """
        plan = self._dataset.id.get_create_plist()
        h5 = load_extra("h5py")
        layout = plan.get_layout()
        if layout == h5.h5d.VIRTUAL or plan.get_external_count():
            raise DatasetFormatError(
                f"{self} refers to values in other places, which are not read. Copy the values into it."
            )
        chunk = array_bytes(self._dataset.chunks, self.dtype) if layout == h5.h5d.CHUNKED else 0
        size = max(array_bytes(self.shape, self.dtype), chunk)
        if size > HARMLESS_BYTES and layout != h5.h5d.COMPACT:
            stored = min(self._dataset.id.get_storage_size(), self._path.stat().st_size)
            require_content(self, size, stored)
        require_memory(self, chunk, "the values of one chunk", _CHUNK_REMEDY)
        return self

    def rows(self, start: int, stop: int) -> Array:
        """Reads rows, ``[stop - start, *shape]``."""
        found: Array = self._dataset[start:stop]
        return found

    def read(self) -> Array:
        """Reads the whole array.

        Raises:
            DatasetError: If it does not fit into memory.
        """
        require_memory(self, array_bytes(self.shape, self.dtype), "its values", _ARRAY_REMEDY)
        found: Array = np.asarray(self._dataset[()])
        return found


class StoredGroup:
    """A group of an open file: arrays and further groups by name."""

    def __init__(self, path: Path, group: Any) -> None:
        self._path, self._group = path, group

    def names(self) -> list[str]:
        """Returns the names of what the group holds."""
        return [_text(name) for name in self._group]

    def __contains__(self, name: str) -> bool:
        return self._find(name) is not None

    def __getitem__(self, name: str) -> StoredArray | StoredGroup:
        """Returns an array, checked, or a group.

        Raises:
            DatasetFormatError: If there is none of that name in this file itself.
        """
        found = self._find(name)
        if found is None:
            raise DatasetFormatError(
                f"{self._path} lacks {shown(name)}: it is cut short, damaged or of another format."
            )
        h5 = load_extra("h5py")
        if isinstance(found, h5.Group):
            return StoredGroup(self._path, found)
        if not isinstance(found, h5.Dataset):
            raise DatasetFormatError(f"{self._path}: {shown(name)} is neither an array nor a group. Write it again.")
        return StoredArray(self._path, found).check()

    def array(self, name: str) -> StoredArray:
        """Returns an array, checked.

        Raises:
            DatasetFormatError: If there is none of that name in this file itself.
        """
        found = self[name]
        if isinstance(found, StoredGroup):
            raise DatasetFormatError(f"{self._path}: {shown(name)} is a group, not an array. Write it again.")
        return found

    def group(self, name: str) -> StoredGroup:
        """Returns a group.

        Raises:
            DatasetFormatError: If there is none of that name in this file itself.
        """
        found = self[name]
        if isinstance(found, StoredArray):
            raise DatasetFormatError(f"{self._path}: {shown(name)} is an array, not a group. Write it again.")
        return found

    def arrays(self) -> dict[str, StoredArray]:
        """Returns all arrays with a shape by their path, of this group and those inside; they are not checked yet."""
        h5 = load_extra("h5py")
        found: dict[str, StoredArray] = {}

        def visit(name: str | bytes, item: Any) -> None:
            if isinstance(item, h5.Dataset) and item.shape:
                found[_text(name)] = StoredArray(self._path, item)

        self._group.visititems(visit)  # links are not followed
        return found

    def leaves(self, name: str, depth: int = 8) -> dict[str, Array]:
        """Reads an array, or the arrays of a group and those inside, by leaf name ``name/key``.

        Raises:
            DatasetFormatError: If groups are nested more than ``depth`` times.
        """
        found = self[name.rpartition("/")[2]]
        if isinstance(found, StoredArray):
            return {name: found.read()}
        if not depth:
            raise DatasetFormatError(f"{self._path}: {name} is nested too deeply. Write it with fewer groups.")
        return {leaf: a for key in found.names() for leaf, a in found.leaves(f"{name}/{key}", depth - 1).items()}

    def attribute(self, name: str) -> Any:
        """Returns an attribute of at most 1 MiB; None if there is none."""
        if name not in self._group.attrs:
            return None
        held = self._group.attrs.get_id(name)
        if held.get_storage_size() > MAX_ATTRIBUTE:
            raise DatasetFormatError(f"{self._path}: the attribute {shown(name)} is too long. Write it again.")
        return self._group.attrs[name]

    def _find(self, name: str) -> Any:
        return _follow(self._path, self._group, name, iter(range(MOST_LINKS)))


def _follow(path: Path, group: Any, name: str, links: Iterator[int]) -> Any:
    """Returns the h5py object of a path below a group, or None; never opens another file."""
    h5 = load_extra("h5py")
    for part in filter(None, name.split("/")):
        if not isinstance(group, h5.Group):
            return None
        key, held = part.encode(errors="surrogatepass"), group.id.links
        if part == "." or b"\0" in key or not held.exists(key):  # unlike h5py's own test, this opens no other file
            return None
        kind = held.get_info(key).type
        if kind == h5.h5l.TYPE_HARD:
            group = group[part]
        elif kind == h5.h5l.TYPE_SOFT and next(links, None) is not None:
            target = held.get_val(key).decode(errors="surrogatepass")
            group = _follow(path, group.file if target.startswith("/") else group, target, links)
        else:
            raise DatasetFormatError(f"{path}: {shown(name)} is a link to elsewhere. Copy the values into the file.")
    return group


def _text(name: str | bytes) -> str:
    return name if isinstance(name, str) else name.decode(errors="backslashreplace")


def _dtype(dataset: Any) -> np.dtype[Any]:
    found: np.dtype[Any] = np.dtype(object)
    with suppress(TypeError, ValueError):  # NumPy has no such type
        found = np.dtype(dataset.dtype)
    return found


@contextmanager
def open_hdf5(path: Path) -> Iterator[StoredGroup]:
    """Opens an HDF5 file for reading, inside a ``with`` block."""
    with load_extra("h5py").File(os.fspath(path), "r") as file:
        yield StoredGroup(path, file)


def holds_frames(file: StoredGroup) -> bool:
    """Whether an open file has the layout of V-D4RL: an ``observation`` of frames, not of vectors."""
    names = set(file.names())
    if "observation" not in names or "step_type" in names:
        return "observation" in names
    held = file["observation"]
    return isinstance(held, StoredArray) and len(held.shape) >= 4
