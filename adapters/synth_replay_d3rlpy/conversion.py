"""d3rlpy episodes as transitions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from synth_replay.errors import InvalidTransitionsError
from synth_replay.transitions import Transitions


def to_transitions(episodes: Iterable[Any], discrete: bool = False) -> Transitions:
    """Reads d3rlpy episodes (``dataset.episodes``) without d3rlpy's per-row loop.

    The last step of a terminated episode is a termination whose next observation d3rlpy does not keep (zeros there, as
    in its own transition picker). The last step of a truncated episode has no next observation and is left out.

    Args:
        episodes: d3rlpy episodes with array observations.
        discrete: Actions are categories: ``[n]`` int64 instead of ``[n, A]``.

    Raises:
        InvalidTransitionsError: If there are no rows.
    """
    columns: dict[str, list[Any]] = {name: [] for name in ("observations", "actions", "rewards", "next_", "ends")}
    for episode in episodes:
        size = len(episode.rewards) if episode.terminated else len(episode.rewards) - 1
        observations = np.asarray(episode.observations)
        after = np.concatenate([observations[1:], np.zeros_like(observations[:1])])
        ends = np.zeros(size, bool)
        ends[size - 1 :] = episode.terminated
        parts = (observations[:size], np.asarray(episode.actions)[:size], episode.rewards[:size], after[:size], ends)
        for name, part in zip(columns, parts, strict=True):
            columns[name].append(part)
    if not columns["ends"] or not sum(map(len, columns["ends"])):
        raise InvalidTransitionsError("The episodes hold no complete transition.")
    observations, actions, rewards, after, ends = (np.concatenate(parts) for parts in columns.values())
    actions = actions.reshape(-1).astype(np.int64) if discrete else actions
    return Transitions(observations, actions, rewards, after, ends)
