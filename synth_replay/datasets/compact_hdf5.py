"""A writer of many small HDF5 datasets, several times faster than h5py's own calls."""

from __future__ import annotations

from typing import Any

import numpy as np

from synth_replay.datasets.optional_imports import load_extra
from synth_replay.spaces import Array

COMPACT_BYTES = 60_000  # HDF5 stores at most 64 kB inside a dataset's header


class CompactHdf5Writer:
    """Writes small arrays as HDF5 datasets that are stored inside their own header (HDF5's compact layout).

    Args:
        file: An open :class:`h5py.File`.
    """

    def __init__(self, file: Any) -> None:
        self._h5 = h5 = load_extra("h5py")
        self._root = file.id
        self._compact = h5.h5p.create(h5.h5p.DATASET_CREATE)
        self._compact.set_layout(h5.h5d.COMPACT)
        self._compact.set_obj_track_times(False)
        self._links = h5.h5p.create(h5.h5p.LINK_CREATE)
        self._links.set_create_intermediate_group(True)
        self._kinds: dict[tuple[Any, ...], tuple[Any, Any]] = {}

    def write(self, name: str, array: Array) -> None:
        """Writes an array as a dataset; missing groups are made as well.

        Args:
            name: Path of the dataset from the root, such as ``episode_0/actions``.
            array: A contiguous array; one of 60 kB or more is stored outside the header.
        """
        kind, space = self._kind(array)
        plan = self._compact if array.nbytes < COMPACT_BYTES else None
        dataset = self._h5.h5d.create(self._root, name.encode(), kind, space, plan, self._links)
        dataset.write(self._h5.h5s.ALL, self._h5.h5s.ALL, array)

    def annotate(self, group: str, values: dict[str, int]) -> None:
        """Writes integer attributes of a group.

        Args:
            group: Path of the group from the root.
            values: Attributes by name, stored as int64.
        """
        owner = self._h5.h5g.open(self._root, group.encode())
        for name, value in values.items():
            array = np.asarray(value, np.int64)
            kind, space = self._kind(array)
            self._h5.h5a.create(owner, name.encode(), kind, space).write(array)

    def _kind(self, array: Array) -> tuple[Any, Any]:
        key = (array.dtype, array.shape)
        if key not in self._kinds:
            h5 = self._h5
            space = h5.h5s.create_simple(array.shape) if array.shape else h5.h5s.create(h5.h5s.SCALAR)
            self._kinds[key] = (h5.h5t.py_create(array.dtype, logical=True), space)
        return self._kinds[key]
