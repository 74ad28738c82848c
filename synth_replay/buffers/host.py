"""What the buffers for plain Gymnasium loops do with an agent's own steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from synth_replay.buffers.engine import SynthesisEngine
from synth_replay.buffers.incoming import refuse_nonfinite
from synth_replay.buffers.messages import warn_if_too_small
from synth_replay.buffers.real_rows import StoredRows
from synth_replay.buffers.stats import SynthesisStats
from synth_replay.buffers.store import ColumnStore
from synth_replay.spaces import Array
from synth_replay.transitions import Transitions


class HostBuffer:
    """A ring of an agent's own rows that counts them for an engine.

    Args:
        capacity: Most real rows kept.
        engine: Engine that is told of every row.
    """

    def __init__(self, capacity: int, engine: SynthesisEngine) -> None:
        self.engine = engine
        self.real = ColumnStore(capacity, compact=False)
        if not (engine.mixture.rule.never or engine.generator.fitted):
            warn_if_too_small(self.real.capacity, "capacity")
        self._dtypes = {leaf.name: leaf.dtype for leaf in engine.generator.spec.leaves}

    def __len__(self) -> int:
        """Returns the number of real rows that the agent has collected."""
        return len(self.real)

    @property
    def stats(self) -> SynthesisStats:
        """Refreshes, losses and shares up to now."""
        return self.engine.stats

    def add(
        self, observation: Any, action: Any, reward: Any, next_observation: Any, terminated: Any, truncated: Any = False
    ) -> None:
        """Stores one transition, or one of each environment when the rewards are an array.

        Truncated episodes need the true last observation, not the first of the next episode.

        Raises:
            InvalidTransitionsError: If a value is NaN or infinite, unless no rows are ever generated.
        """
        truncated = np.broadcast_to(truncated, np.shape(reward))
        columns = (observation, action, reward, next_observation, terminated, truncated)
        if np.ndim(reward) == 0:
            columns = tuple(_with_batch_axis(value) for value in columns)
        rows = Transitions(*columns)
        if not self.engine.mixture.rule.never:
            values = {"reward": rows.rewards, "observation": rows.observations, "action": rows.actions}
            values |= {"next observation": rows.next_observations}
            refuse_nonfinite(values, self.engine.steps, self.real.position)
        self._store(rows)

    def _store(self, transitions: Transitions) -> None:
        leaves = transitions.leaves()
        self.real.add({name: a.astype(self._dtypes.get(name, a.dtype), copy=False) for name, a in leaves.items()})
        self.engine.notify(len(transitions))

    def transitions(self) -> Transitions:
        """Returns all real rows that the agent has collected, oldest first."""
        return Transitions.from_leaves(self.real.rows())

    def stored_rows(self) -> StoredRows:
        """Returns the agent's own rows for a refresh."""
        return stored_rows(self.real)


def stored_rows(store: ColumnStore) -> StoredRows:
    """Returns the rows of a store in environment units for a refresh."""

    def read(chosen: Array | None) -> Transitions:
        return Transitions.from_leaves(store.rows() if chosen is None else store.gather(chosen))

    return StoredRows(lambda: len(store), read)


def _with_batch_axis(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _with_batch_axis(child) for key, child in value.items()}
    array: Array = np.asarray(value)[None]
    return array
