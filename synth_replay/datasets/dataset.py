"""The base class of the readers of all formats."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from gymnasium import spaces

from synth_replay.codec.precision import rounding_note
from synth_replay.datasets.atomic_files import reading
from synth_replay.datasets.columns import conform
from synth_replay.datasets.memory import array_bytes, bounded_rows, require_memory
from synth_replay.errors import DatasetError, DatasetFormatError, InvalidTransitionsError
from synth_replay.safe_paths import shown
from synth_replay.spaces import Array
from synth_replay.transitions import Transitions, TransitionSpec

logger = logging.getLogger(__name__)

CHUNK_ROWS = 65_536


@dataclass(frozen=True)
class ReadOptions:
    """Arguments of :func:`open_dataset` that a reader needs.

    Attributes:
        observation_space: Space of the observations, which overrides the file's; None takes the file's.
        action_space: Space of the actions, which overrides the file's; None takes the file's.
        trusted: Whether a pickle may be loaded. Loading it runs the code in it.
    """

    observation_space: spaces.Space[Any] | None = None
    action_space: spaces.Space[Any] | None = None
    trusted: bool = False


class Dataset(ABC):
    """A dataset of transitions on disk; each format is a subclass.

    Attributes:
        format: Name of the format, a key of :data:`FORMATS`.
        path: The file or folder.
        spec: Spaces and extra columns of the rows.
        meta: Metadata of the file; ``meta["notes"]`` lists what was assumed while it was opened.
    """

    format: ClassVar[str]

    def __init__(self, path: Path, spec: TransitionSpec, rows: int, meta: Mapping[str, Any], notes: list[str]) -> None:
        if rows == 0:
            raise DatasetFormatError(f"{path} holds no transitions.")
        self.path, self.spec = path, spec
        held = meta.get("notes")
        kept = [note for note in held if isinstance(note, str)] if isinstance(held, list) else []
        self.meta: dict[str, Any] = {**meta, "notes": [*kept, *notes]}
        self._rows = rows
        self._rounded: set[str] = set()

    def __len__(self) -> int:
        return self._rows

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.path)!r}, {len(self)} rows, {self.spec})"

    @abstractmethod
    def _blocks(self, rows: int) -> Generator[dict[str, Array]]:
        """Yields raw columns ``[n, ...]`` by leaf name, with n of at most ``rows``."""

    def chunks(self, rows: int = CHUNK_ROWS) -> Iterator[Transitions]:
        """Streams every row once, in order.

        Args:
            rows: Largest number of rows in a chunk. Chunks of very wide rows are smaller, so that each takes at most
                half a gigabyte.

        Raises:
            DatasetError: If ``rows`` is below 1, or not even one row fits into memory.
            InvalidTransitionsError: If values are not finite or outside their space.
            DatasetFormatError: If the file is damaged, or has fewer rows than it says.
        """
        if not isinstance(rows, Integral) or rows < 1:
            raise DatasetError(f"A chunk needs at least 1 row; got {shown(rows)}.")
        rows = bounded_rows(self.path, min(int(rows), len(self)), 8 * sum(leaf.size for leaf in self.spec.leaves))
        start = 0
        with closing(self._blocks(rows)) as blocks:
            while block := self._next(blocks):
                chunk = self._conform(block, start)
                start += len(chunk)
                yield chunk
        if start != len(self):
            raise DatasetFormatError(f"{self.path} announces {len(self)} rows and holds {start}. Write it again.")

    def read(self) -> Transitions:
        """Reads all rows; peak memory is one copy of the data and one chunk.

        Raises:
            DatasetError: If memory does not suffice for all rows.
            InvalidTransitionsError: If values are not finite or outside their space.
            DatasetFormatError: If the file is damaged, or has fewer rows than it says.
        """
        needed = len(self) * sum(array_bytes(leaf.shape, leaf.dtype) for leaf in self.spec.leaves)
        require_memory(self.path, needed, f"{len(self):,} rows", "Read them in chunks, or use a larger machine.")
        columns: dict[str, Array] = {}
        start = 0
        for chunk in self.chunks():
            leaves = chunk.leaves()
            with reading(self.path):
                columns = columns or {n: np.empty((len(self), *a.shape[1:]), a.dtype) for n, a in leaves.items()}
            stop = start + len(chunk)
            if stop <= len(self):
                for name, array in leaves.items():
                    columns[name][start:stop] = array
            start = stop
        return Transitions.from_leaves(columns)

    def _next(self, blocks: Iterator[dict[str, Array]]) -> dict[str, Array] | None:
        with reading(self.path):
            return next(blocks, None)

    def _report_rounding(self, block: Mapping[str, Array]) -> None:
        """Warns, once for each column, if distinct values become equal in the dtype of its space."""
        for leaf in self.spec.leaves:
            if leaf.dtype.kind != "f" or leaf.name in self._rounded or leaf.name not in block:
                continue
            if note := rounding_note(leaf, block[leaf.name]):
                self._rounded.add(leaf.name)
                logger.warning(f"{self.path}: {note}")

    def _conform(self, block: Mapping[str, Array], start: int) -> Transitions:
        try:
            conformed = conform(self.spec, block)
            self._report_rounding(block)
            return conformed
        except InvalidTransitionsError as error:
            place = f"{self.path} (rows counted from {start})" if start else str(self.path)
            raise InvalidTransitionsError(f"{place}: {error}") from error
        except MemoryError as error:
            raise DatasetError(f"{self.path}: memory does not suffice for a chunk. Read smaller ones.") from error
