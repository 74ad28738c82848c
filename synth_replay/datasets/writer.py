"""The base class of the writers of all formats: it checks and counts rows, and writes all or nothing."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar

import numpy as np

from synth_replay.checkpoint import temporary_path
from synth_replay.datasets.atomic_files import followed, publish, remove, require_free, sweep, writing
from synth_replay.datasets.column_names import require_names
from synth_replay.datasets.columns import stored_leaves
from synth_replay.datasets.spec_header import make_spec_header, plain_json
from synth_replay.errors import DatasetError
from synth_replay.safe_paths import shown
from synth_replay.spaces import Array
from synth_replay.transitions import Transitions, TransitionSpec


class DatasetWriter(ABC):
    """Writes a known number of rows; use it in a ``with`` block.

    The output appears under its own name only after the last row, on a clean exit. An error, an exception of the
    caller or a wrong number of rows leaves what was there before.

    Args:
        path: The file or folder to make.
        spec: Spaces and extra columns of the rows.
        rows: Number of rows that will be written in all.
        meta: JSON values to keep with the data.
        overwrite: Whether an existing dataset at ``path`` may be replaced.

    Attributes:
        format: Name of the format, a key of :data:`FORMATS`.
        extras: Names of the extra columns that the format can hold.
        has_spec_header: Whether the spec and ``meta`` are stored in a header of the file.
        rows_are_episodes: Whether rows without truncations are marked as episodes that were cut short.

    Raises:
        DatasetExistsError: If ``path`` holds something and ``overwrite`` is off.
        DatasetError: If ``rows`` is not positive, or the format cannot hold the spec or ``meta``.
    """

    format: ClassVar[str]
    extras: ClassVar[tuple[str, ...]] = ("discounts", "intervals", "next_actions", "returns_to_go")
    has_spec_header: ClassVar[bool] = False
    rows_are_episodes: ClassVar[bool] = False

    def __init__(self, path: Path, spec: TransitionSpec, rows: int, meta: dict[str, Any], overwrite: bool) -> None:
        require_free(path, overwrite)
        count = _whole(rows)
        if not isinstance(spec, TransitionSpec):
            raise DatasetError(f"A dataset is written with the TransitionSpec of its rows; got {shown(spec)}.")
        if not isinstance(meta, dict):
            raise DatasetError(f"The metadata of a dataset must be a dict; got {shown(meta)}.")
        if lost := sorted(set(spec.extras) - set(self.extras)):
            raise DatasetError(f"{self.format} has no place for {lost}: write npz, d4rl or parquet.")
        require_names((leaf.name for leaf in spec.leaves), lambda text: DatasetError(f"{path}: {text}"))
        self.path, self.spec, self.rows, self.overwrite = followed(path), spec, count, overwrite
        self.meta = plain_json(meta)
        self.spec_header = make_spec_header(spec, self.meta) if self.has_spec_header else ""
        self.written = 0
        self._entered = False
        self._partial = temporary_path(self.path)

    def __enter__(self) -> DatasetWriter:
        with writing(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            sweep(self.path)
            try:
                self._begin(self._partial)
            except BaseException:
                self._discard()
                raise
        self._entered = True
        return self

    def write(self, transitions: Transitions) -> None:
        """Appends rows.

        Args:
            transitions: Rows that satisfy the spec. Rows without truncations are unrelated to one another.

        Raises:
            SpecMismatchError: If a column is missing or has another shape.
            InvalidTransitionsError: If a value is not finite or does not fit its space.
            DatasetError: If more rows are written than were announced, or outside of a ``with`` block.
            DatasetWriteError: If the disk is full or not writable.
        """
        if not self._entered:
            raise DatasetError("Rows are written inside a with block: with create_dataset(...) as writer.")
        self.spec.check(transitions)
        if self.written + len(transitions) > self.rows:
            raise DatasetError(f"{self.path} was announced with {self.rows} rows, and more were written.")
        lone = ~transitions.terminations if self.rows_are_episodes else np.zeros(len(transitions), bool)
        with writing(self.path):
            self._append(stored_leaves(self.spec, transitions, lone))
        self.written += len(transitions)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._complete()
        finally:
            self._discard()

    def _complete(self) -> None:
        if self.written != self.rows:
            raise DatasetError(f"{self.path}: {self.written} of {self.rows} rows were written; nothing was kept.")
        with writing(self.path):
            self._finish()
            require_free(self.path, self.overwrite)
            publish(self._partial, self.path)

    def _discard(self) -> None:
        self._release()
        remove(self._partial)

    @abstractmethod
    def _begin(self, partial: Path) -> None:
        """Opens the file or folder ``partial``."""

    @abstractmethod
    def _append(self, leaves: dict[str, Array]) -> None:
        """Appends columns ``[n, ...]``, in the dtypes of a file."""

    @abstractmethod
    def _finish(self) -> None:
        """Completes ``partial`` and closes it."""

    @abstractmethod
    def _release(self) -> None:
        """Closes every handle; may be called twice, and after a failure."""


def _whole(rows: Any) -> int:
    """Returns a number of rows as an int.

    Raises:
        DatasetError: If it is no whole number from 1 on.
    """
    if isinstance(rows, (int, float, np.number)) and 1 <= rows < math.inf and rows == int(rows):
        return int(rows)
    raise DatasetError(f"A dataset needs at least 1 row; got {shown(rows)}.")
