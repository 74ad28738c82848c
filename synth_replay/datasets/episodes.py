"""Helpers of the formats that store episodes: joins episodes into blocks of rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from synth_replay.datasets.column_summary import require_same_kind
from synth_replay.spaces import Array

Columns = dict[str, Array]


def join_episodes(episodes: Iterable[Columns], rows: int) -> Iterator[Columns]:
    """Joins episodes of any length into blocks of ``rows`` rows; the last block may be shorter.

    Each row is copied once.

    Args:
        episodes: Aligned columns ``[T, ...]`` of each episode.
        rows: Rows of a block.

    Raises:
        DatasetFormatError: If the columns of an episode differ in kind or shape from those of the first episode.
    """
    block: Columns = {}
    first: Columns = {}
    filled = 0
    for episode in episodes:
        first = first or {name: array[:0] for name, array in episode.items()}
        for name, array in episode.items():
            require_same_kind(name, first[name], array)
        start, length = 0, len(episode["rewards"])
        while start < length:
            if not filled:
                block = {name: np.empty((rows, *a.shape[1:]), a.dtype) for name, a in first.items()}
            take = min(rows - filled, length - start)
            for name, array in episode.items():
                block[name][filled : filled + take] = array[start : start + take]
            start, filled = start + take, filled + take
            if filled == rows:
                yield block
                filled = 0
    if filled:
        yield {name: array[:filled] for name, array in block.items()}


def leaves_of(name: str, values: object) -> Columns:
    """Flattens nested dicts of arrays into arrays by leaf name, ``name/key``."""
    if isinstance(values, dict):
        return {
            leaf: array for key, value in values.items() for leaf, array in leaves_of(f"{name}/{key}", value).items()
        }
    return {name: np.asarray(values)}


def aligned(observations: Columns, columns: Columns) -> Columns:
    """Returns the rows ``(o_t, a_t, r_t, o_{t+1})`` of an episode, without copying.

    Args:
        observations: ``[T + 1, ...]`` arrays by leaf name.
        columns: ``[T, ...]`` arrays of the other columns by name.
    """
    now = {name: array[:-1] for name, array in observations.items()}
    after = {f"next_{name}": array[1:] for name, array in observations.items()}
    return now | columns | after
