"""The steps of a d3rlpy buffer as one array, so that a batch is picked without a loop over its rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from d3rlpy.dataset import (
    BasicTransitionPicker,
    EpisodeBase,
    MultiStepTransitionPicker,
    ReplayBufferBase,
    SparseRewardTransitionPicker,
    Transition,
)

from synth_replay.buffers.store import ColumnStore
from synth_replay.errors import InvalidTransitionsError
from synth_replay.spaces import Array
from synth_replay_d3rlpy.batch import RowLayout

KNOWN_PICKERS = (BasicTransitionPicker, MultiStepTransitionPicker, SparseRewardTransitionPicker)
UNBOUNDED = 2**62
SPARE_ROWS = 100_000


class EpisodeColumns:
    """A columnar mirror of a d3rlpy buffer, brought up to date through the buffer's public interface.

    Transition ``k`` is the buffer's own ``buffer[k]``. A step is read once, whether its episode is complete or
    still running.

    Args:
        host: Buffer to follow; it keeps its episodes.
    """

    def __init__(self, host: ReplayBufferBase) -> None:
        self.host = host
        self.layout: RowLayout | None = None
        self._reset()
        self.sync()

    def __len__(self) -> int:
        return int(self.host.transition_count)

    def _reset(self) -> None:
        self._steps = ColumnStore(UNBOUNDED, compact=False)
        self._rows = ColumnStore(UNBOUNDED, compact=False)
        self._ends = ColumnStore(UNBOUNDED, compact=False)
        self._episodes: list[EpisodeBase] = []
        self._read = self._picked = 0
        self._view()

    def _view(self) -> None:
        steps, ends = self._steps.rows(), self._ends.rows()
        self._data = steps.get("data", np.zeros((0, 0), np.float32))
        self._episode_of = steps.get("episode", np.zeros(0, np.int64))
        self._step_of = self._rows.rows().get("step", np.zeros(0, np.int64))
        self._end_of = ends.get("end", np.zeros(0, np.int64))
        self._terminated = ends.get("terminated", np.zeros(0, bool))

    @property
    def _dropped(self) -> int:
        """Number of rows that a bounded host has forgotten since they were read."""
        return len(self._rows) - len(self)

    # -- following the host -----------------------------------------------------------------

    def sync(self) -> None:
        """Reads what has been added to the host since the last time."""
        episodes = self.host.episodes
        first = len(episodes)
        last = self._episodes[-1] if self._episodes else None
        while first and episodes[first - 1] is not last:
            first -= 1
        if last is not None and first == 0:  # all that was known is gone
            self._reset()
        changed = last is not None and first > 0 and self._extend(last)
        for episode in episodes[first:]:
            changed = True
            self._episodes.append(episode)
            self._ends.add({"end": np.array([len(self._steps)]), "terminated": np.array([False])})
            self._read = self._picked = 0
            self._extend(episode)
        if self._dropped > max(len(self), SPARE_ROWS):
            self._reset()
            self.sync()
        elif changed:
            self._view()

    def _extend(self, episode: EpisodeBase) -> bool:
        """Reads the steps of the newest episode that have not been read; returns whether there were any."""
        size, count = episode.size(), episode.transition_count
        if size == self._read and count == self._picked:
            return False
        self.layout = self.layout or RowLayout(episode)
        start = len(self._steps) - self._read
        if size > self._read:
            data = self.layout.steps(episode, slice(self._read, size))
            self._steps.add({"data": data, "episode": np.full(len(data), len(self._episodes) - 1)})
        self._rows.add({"step": np.arange(start + self._picked, start + count)})
        ends = self._ends.rows()
        ends["end"][-1], ends["terminated"][-1] = start + size, bool(episode.terminated)
        self._read, self._picked = size, count
        return True

    # -- picking ----------------------------------------------------------------------------

    def pick(self, index: Array) -> Array:
        """Returns transitions ``index`` ``[n]`` as the host's picker makes them, ``[n, width]`` in the layout."""
        layout = self._layout()
        picker: Any = self.host.transition_picker
        out = np.empty((len(index), layout.width), np.float32)
        if type(picker) not in KNOWN_PICKERS:
            for row, k in zip(out, index, strict=True):
                row[:] = layout.pack_transition(self.transition(int(k)))
            return out
        n_steps = picker._n_steps if isinstance(picker, MultiStepTransitionPicker) else 1
        state = layout.state_width
        step = self._step_of.take(self._dropped + index)
        episode = self._episode_of.take(step)
        end = self._end_of.take(episode)
        after = np.minimum(step + n_steps, end - ~self._terminated.take(episode))
        terminals = after == end
        # whole rows, then columns: take on a slice of columns copies all of them first
        out[:, : state + 1] = self._data.take(step, axis=0)
        out[:, state + 1 : 2 * state + 1] = self._data.take(after - terminals, axis=0)[:, :state]
        out[np.flatnonzero(terminals), state + 1 : 2 * state + 1] = 0
        out[:, -3], out[:, -2], out[:, -1] = terminals, after - step, np.nan
        if n_steps > 1:
            out[:, state] = self._returns(step, after - step, n_steps, picker._gamma)
        return out

    def _returns(self, step: Array, intervals: Array, n_steps: int, gamma: float) -> Array:
        """Returns discounted sums of rewards over the interval, ``[n]`` float64 as in d3rlpy."""
        ahead = np.arange(n_steps)
        rewards = self._data[:, -1]
        window = rewards[np.minimum(step[:, None] + ahead, len(rewards) - 1)]
        total: Array = (window * np.where(ahead < intervals[:, None], gamma**ahead, 0.0)).sum(axis=1)
        return total

    def transition(self, k: int) -> Transition:
        """Returns transition ``k`` by the host's own picker."""
        step = int(self._step_of[self._dropped + k])
        episode = int(self._episode_of[step])
        held = self._episodes[episode]
        read = self._read if episode == len(self._episodes) - 1 else held.size()
        return self.host.transition_picker(held, step - int(self._end_of[episode]) + read)

    def columns(self) -> dict[str, Array]:
        """Returns all transitions, by the names of the layout."""
        rows = self.pick(np.arange(len(self)))
        return {name: self._layout().column(rows, name) for name in self._layout().slices}

    def returns_to_go(self, gamma: float) -> Array:
        """Returns the discounted rewards from each transition to the known end of its episode, ``[n]`` float64."""
        ends = self._end_of
        starts = np.concatenate([[0], ends[:-1]])
        rewards = self._data[:, -1].astype(np.float64)
        total, carry = np.zeros(len(rewards)), np.zeros(len(ends))
        for back in range(1, int((ends - starts).max()) + 1):  # all episodes at once, from their ends
            running = ends - back >= starts
            at = (ends - back)[running]
            carry[running] = total[at] = rewards[at] + gamma * carry[running]
        returns: Array = total[self._step_of[self._dropped :]]
        return returns

    def _layout(self) -> RowLayout:
        if self.layout is None or not len(self):
            raise InvalidTransitionsError("The buffer holds no complete transition yet.")
        return self.layout
