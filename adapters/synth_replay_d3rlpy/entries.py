"""Entries of a d3rlpy buffer: each is an episode and the number of one of its steps."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np
from d3rlpy.dataset import EpisodeBase

from synth_replay.spaces import Array

Entry = tuple[EpisodeBase, int]


def newest_first(buffer: Any, count: int) -> Iterator[Entry]:
    """Yields the ``count`` entries of a buffer's storage, the newest first."""
    held = _held(buffer)
    return iter(buffer[k] for k in range(count - 1, -1, -1)) if held is None else reversed(held)


def newest_entries(buffer: Any, count: int, newest: int) -> list[Entry]:
    """Returns the last ``newest`` of the ``count`` entries of a buffer's storage, the oldest first."""
    return list(islice(newest_first(buffer, count), newest))[::-1]


def _held(buffer: Any) -> Any:
    """Returns d3rlpy's own sequence of entries, or None. Iterating over a deque is faster than indexing its middle."""
    held = getattr(buffer, "_transitions", None)
    return held if isinstance(held, (list, deque)) else None


def runs(entries: list[Entry]) -> Iterator[tuple[EpisodeBase, Array]]:
    """Yields each run of consecutive entries of one episode: the episode and the numbers ``[n]`` of its steps."""
    steps = np.fromiter((step for _, step in entries), np.int64, len(entries))
    start = 0
    for at in range(1, len(entries) + 1):
        if at == len(entries) or entries[at][0] is not entries[start][0]:
            yield entries[start][0], steps[start:at]
            start = at
