"""The base class of formats with one array per column: npz and D4RL's HDF5."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from synth_replay.datasets.atomic_files import reading
from synth_replay.datasets.column_names import common_length, dones_note, find_columns, mark_limits, require_scalars
from synth_replay.datasets.dataset import CHUNK_ROWS, Dataset, ReadOptions
from synth_replay.datasets.memory import bounded_rows, require_memory, row_bytes
from synth_replay.datasets.space_inference import resolve_spec
from synth_replay.datasets.spec_header import read_spec_header
from synth_replay.errors import DatasetFormatError
from synth_replay.spaces import Array
from synth_replay.transitions import EXTRA_COLUMNS

TERMINAL_NOTE = (
    "the file does not store next_observations: at {count} terminations the last observation is used as the next one, "
    "so the change of state there is 0"
)
NO_TIMEOUTS_NOTE = (
    "the file stores neither next_observations nor timeouts: where a time limit cut an episode, one row joins two"
)


class ColumnFile(ABC):
    """Named arrays of an open file, read in blocks of rows.

    Attributes:
        heads: Zero-row arrays ``[0, *shape]`` by stored name.
        lengths: Rows by stored name.
        spec_header: The header of :mod:`synth_replay.datasets.spec_header`; None in files of other tools.
    """

    heads: dict[str, Array]
    lengths: dict[str, int]
    spec_header: object

    @abstractmethod
    def blocks(self, name: str, rows: int, skip: int = 0) -> Iterator[Array]:
        """Yields writable blocks of at most ``rows`` rows, from row ``skip`` on."""

    @abstractmethod
    def check(self, name: str) -> None:
        """Checks that the file itself holds as many values of a column as it announces.

        Raises:
            DatasetFormatError: If it does not.
        """

    @abstractmethod
    def close(self) -> None:
        """Closes the file."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class ColumnFileDataset(Dataset):
    """A file with one array per column; missing next observations are taken from the following row.

    D4RL files may lack ``next_observations``. Then a row that a timeout or the end of the file cuts off is dropped. A
    terminal row is kept, with its own observation as the next one: its real successor is unknown, learners mask it, and
    without terminal rows a generator would never terminate an episode. ``meta["notes"]`` reports both.
    """

    def __init__(self, path: Path, options: ReadOptions) -> None:
        self.path = path
        with reading(path), self._open() as file:
            self._names = find_columns(path, file.heads)
            rows = common_length(path, {name: file.lengths[name] for name in self._names.values()})
            for name in self._names.values():
                file.check(name)
            heads = {leaf: file.heads[name] for leaf, name in self._names.items()}
            require_scalars(path, heads)
            scanned = bounded_rows(path, CHUNK_ROWS, row_bytes(heads))
            self._kept, notes = self._known_rows(path, file, rows, scanned)
            stored, meta = read_spec_header(file.spec_header, path)
            for name in self._shifted():
                heads[f"next_{name}"] = heads[name]
            spec, assumed = resolve_spec(
                path,
                options,
                stored,
                heads,
                lambda leaf: file.blocks(self._names[leaf], scanned),
                [name for name in EXTRA_COLUMNS if name in self._names],
            )
        kept = rows if self._kept is None else int(self._kept.sum())
        super().__init__(path, spec, kept, meta, notes + assumed)

    @abstractmethod
    def _open(self) -> ColumnFile:
        """Opens the file."""

    def _shifted(self) -> list[str]:
        """Returns the observation leaves whose next observation is taken from the following row."""
        return [leaf for leaf in self._names if leaf.split("/")[0] == "observations" and self._kept is not None]

    def _known_rows(self, path: Path, file: ColumnFile, rows: int, scanned: int) -> tuple[Array | None, list[str]]:
        """Returns a mask ``[rows]`` of the rows to keep, and notes; None if the file stores next observations."""
        dones = dones_note(self._names)
        if any(leaf.split("/")[0] == "next_observations" for leaf in self._names):
            return None, dones
        require_memory(path, 4 * rows, "the flags of its rows", "Store next_observations, or use a larger machine.")
        terminal = _flags(file, self._names["terminations"], scanned)
        timed = "truncations" in self._names
        cut = _flags(file, self._names["truncations"], scanned) if timed else np.zeros_like(terminal)
        terminal &= ~cut if mark_limits(self._names) else True
        if not (terminal.any() or cut.any()):
            raise DatasetFormatError(
                f"{path} has no next_observations, and neither terminals nor timeouts ever mark the end of an episode: "
                "the order of the observations is unknown. Store next_observations or timeouts."
            )
        kept = terminal | ~cut
        kept[-1] = terminal[-1]
        notes = dones + ([TERMINAL_NOTE.format(count=terminal.sum())] if terminal.any() else [])
        return kept, notes if timed else [*notes, NO_TIMEOUTS_NOTE]

    def _blocks(self, rows: int) -> Generator[dict[str, Array]]:
        with self._open() as file:
            streams = {leaf: file.blocks(name, rows) for leaf, name in self._names.items()}
            after = {leaf: file.blocks(self._names[leaf], rows, skip=1) for leaf in self._shifted()}
            timed_dones = mark_limits(self._names)
            start = 0
            for blocks in zip(*streams.values(), strict=True):
                block = dict(zip(streams, blocks, strict=True))
                stop = start + len(blocks[0])
                if timed_dones:
                    limits = block["truncations"].reshape(-1) != 0
                    block["terminations"] = (block["terminations"].reshape(-1) != 0) & ~limits
                if self._kept is not None:
                    _shift_observations(block, after)
                    block = _select(block, self._kept[start:stop])
                start = stop
                if len(block["rewards"]):
                    yield block


def _flags(file: ColumnFile, name: str, rows: int) -> Array:
    flags: Array = np.concatenate([block.reshape(-1) != 0 for block in file.blocks(name, rows)])
    return flags


def _shift_observations(block: dict[str, Array], after: dict[str, Iterator[Array]]) -> None:
    """Adds next observations to a block; the last row of a file and terminal rows repeat their own observation."""
    terminal = block["terminations"].reshape(-1) != 0
    for leaf, stream in after.items():
        now = block[leaf]
        following = next(stream, now[:0])
        if len(following) < len(now):
            following = np.concatenate([following, now[-1:]])
        following[terminal] = now[terminal]
        block[f"next_{leaf}"] = following


def _select(block: dict[str, Array], kept: Array) -> dict[str, Array]:
    return block if kept.all() else {leaf: array[kept] for leaf, array in block.items()}
