"""Formats that store episodes: joining them into blocks of rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from synth_replay.datasets.inference import require_alike
from synth_replay.spaces import Array

Columns = dict[str, Array]


def join_episodes(episodes: Iterable[Columns], rows: int) -> Iterator[Columns]:
    """Blocks of ``rows`` rows (the last one shorter) from episodes of any length, copied once.

    Args:
        episodes: Aligned columns ``[T, ...]`` of each episode.
        rows: Rows of a block.

    Raises:
        DatasetFormatError: If an episode's columns differ in kind or shape from the first one's.
    """
    block: Columns = {}
    first: Columns = {}
    filled = 0
    for episode in episodes:
        first = first or {name: array[:0] for name, array in episode.items()}
        for name, array in episode.items():
            require_alike(name, first[name], array)
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
    """Nested dicts of arrays by leaf name, ``name/key``."""
    if isinstance(values, dict):
        return {
            leaf: array for key, value in values.items() for leaf, array in leaves_of(f"{name}/{key}", value).items()
        }
    return {name: np.asarray(values)}


def aligned(observations: Columns, columns: Columns) -> Columns:
    """Rows of an episode of T steps and T + 1 observations: ``o_t, a_t, r_t, o_{t+1}``, without copying."""
    now = {name: array[:-1] for name, array in observations.items()}
    after = {f"next_{name}": array[1:] for name, array in observations.items()}
    return now | columns | after
