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
from synth_replay.errors import InvalidTransitionsError, SpecMismatchError
from synth_replay.spaces import Array
from synth_replay_d3rlpy.batch import RowLayout
from synth_replay_d3rlpy.entries import Entry, newest_entries, newest_first, runs
from synth_replay_d3rlpy.refusals import refuse_mixture

KNOWN_PICKERS = (BasicTransitionPicker, MultiStepTransitionPicker, SparseRewardTransitionPicker)
UNBOUNDED = 2**62
SPARE_ROWS = 100_000


class EpisodeColumns:
    """A columnar mirror of a d3rlpy buffer, brought up to date through the buffer's public interface.

    Transition ``k`` is the buffer's own ``buffer[k]``, even if one episode is stored several times. A step is read
    once, whether its episode is complete or still running.

    Args:
        host: Buffer to follow; it keeps its episodes.
        strict: Whether to raise now if the episodes cannot be read as columns; False leaves that to :attr:`plain`.

    Raises:
        SpecMismatchError: If the episodes have different shapes, or rewards of several numbers.
        UnsupportedBufferError: If the host is a mixture of two buffers.
    """

    _unreadable = False

    def __init__(self, host: ReplayBufferBase, strict: bool = True) -> None:
        refuse_mixture(host)
        self.host = host
        self.layout: RowLayout | None = None
        self._reset()
        if strict or self.plain:
            self.sync()

    def __len__(self) -> int:
        return int(self.host.transition_count)

    def _reset(self) -> None:
        self._steps = ColumnStore(UNBOUNDED, compact=False)
        self._rows = ColumnStore(UNBOUNDED, compact=False)
        self._ends = ColumnStore(UNBOUNDED, compact=False)
        self._episodes: list[EpisodeBase] = []
        self._numbers: dict[int, int] = {}
        self._newest: Entry | None = None
        self._view()

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restores a pickled mirror, whose episodes have other identities now."""
        self.__dict__ |= state
        self._numbers = {id(episode): number for number, episode in enumerate(self._episodes)}

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

    @property
    def plain(self) -> bool:
        """Whether the host's picker and episodes can be read as columns, as generating rows requires."""
        if self._unreadable or type(self.host.transition_picker) not in KNOWN_PICKERS:
            return False
        try:
            self.sync()
        except SpecMismatchError:
            self._unreadable = True
        return not self._unreadable

    # -- following the host -----------------------------------------------------------------

    def sync(self) -> None:
        """Reads what has been added to the host since the last time.

        Raises:
            SpecMismatchError: If an episode has other shapes than the first one, or rewards of several numbers.
        """
        try:
            self._read_new()
        except SpecMismatchError:
            self._reset()  # no rows stay that the next call would read again
            raise

    def _read_new(self) -> None:
        count, unread = len(self), self._unread()
        if not unread:
            return
        if unread == count:  # nothing was known, or all of it is gone
            self._reset()
        entries = newest_entries(self.host.buffer, count, unread)
        for episode, steps in runs(entries):
            self._add(episode, steps)
        self._newest = entries[-1]
        self._view()
        if self._dropped > max(count, SPARE_ROWS):
            self._reset()
            self.sync()

    def _unread(self) -> int:
        """Returns the number of the host's entries that are newer than those that were read."""
        for number, entry in enumerate(newest_first(self.host.buffer, len(self))):
            if entry is self._newest:
                return number
        return len(self)

    def _add(self, episode: EpisodeBase, steps: Array) -> None:
        """Adds one row for each given step of an episode, and reads those steps of the episode that are new."""
        known = self._numbers.get(id(episode))
        start, end = (0, 0) if known is None else self._bounds(known)
        size = episode.size()
        last = known == len(self._episodes) - 1
        if known is None or (size > end - start and not last):  # another episode's steps follow its first ones
            self._begin(episode)
            if known is not None:
                self._move(known, start)
            start = end = len(self._steps)
        if size > end - start:
            self._read(episode, slice(end - start, size))
        ends, number = self._ends.rows(), self._numbers[id(episode)]
        ends["end"][number], ends["terminated"][number] = start + size, bool(episode.terminated)
        self._rows.add({"step": start + steps})

    def _begin(self, episode: EpisodeBase) -> None:
        self.layout = self.layout or RowLayout(episode)
        self.layout.require(episode)
        self._numbers[id(episode)] = len(self._episodes)
        self._episodes.append(episode)
        self._ends.add({"end": np.array([len(self._steps)]), "terminated": np.array([False])})

    def _read(self, episode: EpisodeBase, new: slice) -> None:
        data = self._layout().steps(episode, new)
        self._steps.add({"data": data, "episode": np.full(len(data), len(self._episodes) - 1)})

    def _move(self, number: int, start: int) -> None:
        """Points the rows of an episode's former number to its steps, which are about to be read again."""
        step = self._rows.rows()["step"]
        step[self._steps.rows()["episode"][step] == number] += len(self._steps) - start

    def _bounds(self, number: int) -> tuple[int, int]:
        """Returns the positions of an episode's first step, and of the one after its last."""
        ends = self._ends.rows()["end"]
        return int(ends[number - 1]) if number else 0, int(ends[number])

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
        number = int(self._episode_of[step])
        return self.host.transition_picker(self._episodes[number], step - self._bounds(number)[0])

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
