"""What every dataset writer does: check, count, and leave all or nothing."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar

import numpy as np

from synth_replay.datasets.columns import stored_leaves
from synth_replay.datasets.files import partial_path, publish, remove, require_free, writing
from synth_replay.datasets.stamp import make_stamp, plain_json
from synth_replay.errors import DatasetError
from synth_replay.spaces import Array
from synth_replay.transitions import Transitions, TransitionSpec


class DatasetWriter(ABC):
    """Writes a known number of rows; use it in a ``with`` block.

    The output appears under its own name only after the last row, on a clean exit. An error, an exception of the
    caller or a wrong number of rows leaves what was there before.

    Args:
        path: The file or folder to make.
        spec: What the rows are.
        rows: How many rows will be written in all.
        meta: JSON values to keep with the data.
        overwrite: Whether something at ``path`` may be replaced.

    Raises:
        DatasetExistsError: If ``path`` holds something and ``overwrite`` is off.
        DatasetError: If ``rows`` is not positive, or the format cannot hold the spec or ``meta``.
    """

    format: ClassVar[str]
    extras: ClassVar[tuple[str, ...]] = ("discounts", "intervals", "next_actions", "returns_to_go")
    stamped: ClassVar[bool] = False  # whether the spec and meta travel in the file's own header
    rows_are_episodes: ClassVar[bool] = False  # whether a lone row is written as an episode cut short

    def __init__(self, path: Path, spec: TransitionSpec, rows: int, meta: dict[str, Any], overwrite: bool) -> None:
        require_free(path, overwrite)
        if rows < 1:
            raise DatasetError(f"A dataset needs at least 1 row; got {rows}.")
        if lost := sorted(set(spec.extras) - set(self.extras)):
            raise DatasetError(f"{self.format} has no place for {lost}: write npz, d4rl or parquet.")
        self.path, self.spec, self.rows, self.overwrite = path, spec, int(rows), overwrite
        self.meta = plain_json(meta)
        self.stamp = make_stamp(spec, self.meta) if self.stamped else ""
        self.written = 0
        self._entered = False
        self._partial = partial_path(path)

    def __enter__(self) -> DatasetWriter:
        with writing(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            remove(self._partial)
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
            transitions: Rows that satisfy the spec. Without truncations they count as unrelated to one another.

        Raises:
            SpecMismatchError: If a column is missing or has another shape.
            InvalidTransitionsError: If a value is not finite or does not fit its space.
            DatasetError: If these are more rows than were announced, or there is no ``with`` block.
            DatasetWriteError: If the disk refuses.
        """
        if not self._entered:
            raise DatasetError("Rows are written inside a with block: with create_dataset(...) as writer.")
        self.spec.check(transitions)
        if self.written + len(transitions) > self.rows:
            raise DatasetError(f"{self.path} was announced with {self.rows} rows; these are more.")
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
        """Appends columns, in the dtypes of a file."""

    @abstractmethod
    def _finish(self) -> None:
        """Completes ``partial`` and closes it."""

    @abstractmethod
    def _release(self) -> None:
        """Closes every handle, also after a failure and also twice."""
