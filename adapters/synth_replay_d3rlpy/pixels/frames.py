"""Episodes of frames as a d3rlpy buffer: each frame is held once, batches are stacked by whole arrays."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NoReturn

import numpy as np
from d3rlpy.constants import ActionSpace
from d3rlpy.dataset import Episode, InfiniteBuffer, ReplayBuffer, TransitionMiniBatch
from gymnasium import spaces

from synth_replay.datasets import PixelDataset, PixelEpisode
from synth_replay.errors import ConfigError, InvalidTransitionsError, UnsupportedBufferError
from synth_replay.spaces import Array
from synth_replay_d3rlpy.host import WrappingBuffer
from synth_replay_d3rlpy.pixels.latent_data import Augment, FirstFramePicker


class PixelReplayBuffer(WrappingBuffer):
    """A d3rlpy buffer of a pixel dataset, for ``fit``.

    Stacks begin with repeats of an episode's first frame, as in DrQ and as Gymnasium stacks them. Returns of several
    steps end with the episode. Batches are drawn from NumPy's global stream, as in d3rlpy. Memory holds each frame of a
    dataset once, while it is read too.

    Args:
        dataset: A pixel dataset (:func:`~synth_replay.datasets.open_pixels`), or its episodes.
        frame_stack: Frames of an observation.
        n_steps: Steps of a return; 3 in DrQ-v2.
        gamma: Its discount; give the algorithm's.
        augmenter: A :class:`~synth_replay.augment.pixels.PixelAugmenter`, or any callable of the same arguments.
        action_space: Needed for discrete actions of bare episodes.

    Raises:
        InvalidTransitionsError: If there are no episodes, or their frames differ in size.
        ConfigError: If ``n_steps`` is below 1 or ``gamma`` outside [0, 1].
    """

    def __init__(
        self,
        dataset: PixelDataset | Iterable[PixelEpisode],
        *,
        frame_stack: int = 3,
        n_steps: int = 1,
        gamma: float = 0.99,
        augmenter: Augment | None = None,
        action_space: spaces.Space[Any] | None = None,
    ) -> None:
        if n_steps < 1 or not 0 <= gamma <= 1:
            raise ConfigError(f"n_steps is at least 1 and gamma of [0, 1]; got {n_steps} and {gamma}.")
        self.augmenter, self.n_steps, self.gamma = augmenter, n_steps, gamma
        if isinstance(dataset, PixelDataset):
            room, action_space = len(dataset) + len(dataset.lengths), dataset.action_space
            episodes = self._fill(dataset.episodes(), room, frame_stack)
        else:
            held = list(dataset)
            episodes = self._fill(held, sum(len(episode.frames) for episode in held), frame_stack)
        self.dataset = _host(episodes, frame_stack, action_space)

    def _fill(self, episodes: Iterable[PixelEpisode], room: int, frame_stack: int) -> list[Episode]:
        """All frames and the columns of all transitions, and the episodes as d3rlpy's."""
        found: list[Episode] = []
        rows: list[tuple[Array, ...]] = []
        start = 0
        for episode in episodes:
            if not rows:
                self.frames = np.empty((room, *episode.frames.shape[1:]), np.uint8)
            rows.append(_rows(episode, start, frame_stack, self.n_steps, self.gamma))
            found.append(self._episode(episode, start))
            start += len(episode.frames)
        if not rows:
            raise InvalidTransitionsError("There are no episodes.")
        self.frames = self.frames[:start]
        columns = map(np.concatenate, zip(*rows, strict=True))
        self.before, self.after, self.actions, self.rewards, self.ends, self.intervals = columns
        return found

    def _episode(self, episode: PixelEpisode, start: int) -> Episode:
        """Takes in an episode's frames; d3rlpy has a view of them."""
        steps, shape = len(episode), episode.frames.shape[1:]
        if shape != self.frames.shape[1:]:
            raise InvalidTransitionsError(f"All frames need one size; there are {shape} and {self.frames.shape[1:]}.")
        self.frames[start : start + len(episode.frames)] = episode.frames
        actions = episode.actions.reshape(steps, -1)
        return Episode(self.frames[start : start + steps], actions, episode.rewards[:, None], episode.terminated)

    def sample_transition_batch(self, batch_size: int) -> TransitionMiniBatch:
        """Draws rows with replacement, all alike, and augments them."""
        rows = np.random.randint(len(self.before), size=batch_size)  # noqa: NPY002 - the stream that d3rlpy draws from
        before, after = self.stacks(self.before[rows]), self.stacks(self.after[rows])
        if self.augmenter is not None:
            before, after = self.augmenter(before, after)
        return TransitionMiniBatch(
            observations=before.astype(np.float32),
            actions=self.actions[rows],
            rewards=self.rewards[rows],
            next_observations=after.astype(np.float32),
            next_actions=np.zeros_like(self.actions[rows]),
            terminals=self.ends[rows],
            intervals=self.intervals[rows],
            transitions=(),
        )

    def stacks(self, numbers: Array) -> Array:
        """Frame numbers ``[n, S]`` as stacks ``[n, S * C, H, W]`` uint8."""
        found = self.frames[numbers]
        return found.reshape(len(numbers), -1, *self.frames.shape[2:])

    def append(self, *args: Any, **kwargs: Any) -> NoReturn:  # noqa: ARG002
        """Not offered: the frames are fixed."""
        raise UnsupportedBufferError("A PixelReplayBuffer is for fit(), not fit_online(): it takes no further steps.")

    append_episode = append
    clip_episode = append

    @property
    def transition_count(self) -> int:
        """Number of transitions."""
        return len(self.before)

    @classmethod
    def load(cls, *args: Any, **kwargs: Any) -> NoReturn:  # noqa: ARG003
        """Not offered: open the dataset again."""
        raise UnsupportedBufferError("Open the pixel dataset again: PixelReplayBuffer(open_pixels(path)).")

    from_episode_generator = load


def _host(episodes: list[Episode], frame_stack: int, space: spaces.Space[Any] | None) -> ReplayBuffer:
    discrete = isinstance(space, spaces.Discrete)
    return ReplayBuffer(
        InfiniteBuffer(),
        episodes=episodes,
        transition_picker=FirstFramePicker(frame_stack),
        cache_size=1,  # nothing is appended
        action_space=ActionSpace.DISCRETE if discrete else ActionSpace.CONTINUOUS,
        action_size=int(space.n) if isinstance(space, spaces.Discrete) else episodes[0].actions.shape[1],
    )


def _rows(episode: PixelEpisode, start: int, frame_stack: int, n_steps: int, gamma: float) -> tuple[Array, ...]:
    """Columns of an episode's transitions, each with the return of up to ``n_steps`` steps."""
    before, after = episode.stacks(frame_stack)
    steps = len(episode)
    last = np.minimum(np.arange(steps) + n_steps, steps) - 1
    padded = np.concatenate([episode.rewards, np.zeros(n_steps - 1, np.float32)])
    returns = sum(gamma**i * padded[i : i + steps] for i in range(n_steps))
    ends = (last == steps - 1) & episode.terminated
    columns = (np.asarray(returns), ends, last + 1 - np.arange(steps))
    actions = episode.actions.reshape(steps, -1).astype(np.float32)
    return before + start, after[last] + start, actions, *(c.astype(np.float32)[:, None] for c in columns)
