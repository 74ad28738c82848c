"""A d3rlpy buffer of frame episodes that holds each frame once and stacks batches with whole arrays."""

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
from synth_replay_d3rlpy.pixels.augmented import BatchAugmenter
from synth_replay_d3rlpy.pixels.stacking import FirstFramePicker


class PixelReplayBuffer(WrappingBuffer):
    """A d3rlpy buffer of a pixel dataset, for ``fit``.

    Stacks begin with repeats of an episode's first frame, as in DrQ and Gymnasium. n-step returns stop at the end of
    the episode. Batches are drawn with NumPy's global stream, as in d3rlpy. Memory holds each frame of a dataset once,
    also while it is read.

    Args:
        dataset: Pixel dataset (:func:`~synth_replay.datasets.open_pixels`), or its episodes.
        frame_stack: Number of frames in an observation.
        n_steps: Number of steps of a return; 3 in DrQ-v2.
        gamma: Discount of the n-step return, the same as the algorithm's.
        augmenter: A :class:`~synth_replay.augment.PixelAugmenter`, or any callable with the same arguments.
        action_space: Action space of bare episodes; needed if their actions are discrete.

    Attributes:
        frames: All frames ``[frames, C, H, W]`` uint8.
        observation_frames: Numbers of the frames in each transition's observation, ``[n, frame_stack]``.
        next_observation_frames: Numbers of the frames ``n_steps`` later, or at the end of the episode.
        actions: Actions ``[n, A]`` float32.
        rewards: n-step returns ``[n, 1]`` float32.
        terminations: 1 where the n-step transition ends with a termination, else 0; ``[n, 1]`` float32.
        intervals: Number of steps of each transition ``[n, 1]`` float32.

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
        augmenter: BatchAugmenter | None = None,
        action_space: spaces.Space[Any] | None = None,
    ) -> None:
        if n_steps < 1 or not 0 <= gamma <= 1:
            raise ConfigError(f"n_steps must be at least 1 and gamma in [0, 1]; got {n_steps} and {gamma}.")
        self.augmenter, self.n_steps, self.gamma = augmenter, n_steps, gamma
        if isinstance(dataset, PixelDataset):
            frames, action_space = len(dataset) + len(dataset.lengths), dataset.action_space
            episodes = self._fill(dataset.episodes(), frames, frame_stack)
        else:
            held = list(dataset)
            episodes = self._fill(held, sum(len(episode.frames) for episode in held), frame_stack)
        self.dataset = _d3rlpy_buffer(episodes, frame_stack, action_space)

    def _fill(self, episodes: Iterable[PixelEpisode], most_frames: int, frame_stack: int) -> list[Episode]:
        """Stores all frames and the columns of all transitions, and returns the episodes as d3rlpy's."""
        found: list[Episode] = []
        rows: list[tuple[Array, ...]] = []
        start = 0
        for episode in episodes:
            if not rows:
                self.frames = np.empty((most_frames, *episode.frames.shape[1:]), np.uint8)
            rows.append(_columns(episode, start, frame_stack, self.n_steps, self.gamma))
            found.append(self._store(episode, start))
            start += len(episode.frames)
        if not rows:
            raise InvalidTransitionsError("There are no episodes. Give at least one.")
        self.frames = self.frames[:start]
        (
            self.observation_frames,
            self.next_observation_frames,
            self.actions,
            self.rewards,
            self.terminations,
            self.intervals,
        ) = map(np.concatenate, zip(*rows, strict=True))
        return found

    def _store(self, episode: PixelEpisode, start: int) -> Episode:
        """Stores an episode's frames, and returns a d3rlpy episode that views them."""
        steps, shape = len(episode), episode.frames.shape[1:]
        if shape != self.frames.shape[1:]:
            raise InvalidTransitionsError(
                f"All frames need one size; there are {shape} and {self.frames.shape[1:]}. Use a buffer per size."
            )
        self.frames[start : start + len(episode.frames)] = episode.frames
        actions = episode.actions.reshape(steps, -1)
        return Episode(self.frames[start : start + steps], actions, episode.rewards[:, None], episode.terminated)

    def sample_transition_batch(self, batch_size: int) -> TransitionMiniBatch:
        """Samples rows uniformly with replacement, and augments them."""
        rows = np.random.randint(self.transition_count, size=batch_size)  # noqa: NPY002 - d3rlpy's own stream
        before = self.stacks(self.observation_frames[rows])
        after = self.stacks(self.next_observation_frames[rows])
        if self.augmenter is not None:
            before, after = self.augmenter(before, after)
        return TransitionMiniBatch(
            observations=before.astype(np.float32),
            actions=self.actions[rows],
            rewards=self.rewards[rows],
            next_observations=after.astype(np.float32),
            next_actions=np.zeros_like(self.actions[rows]),
            terminals=self.terminations[rows],
            intervals=self.intervals[rows],
            transitions=(),
        )

    def stacks(self, numbers: Array) -> Array:
        """Returns the frames with numbers ``[n, S]`` as stacks ``[n, S * C, H, W]`` uint8."""
        found = self.frames[numbers]
        return found.reshape(len(numbers), -1, *self.frames.shape[2:])

    def append(self, *args: Any, **kwargs: Any) -> NoReturn:  # noqa: ARG002
        """Refuses further steps: the frames are fixed.

        Raises:
            UnsupportedBufferError: Always.
        """
        raise UnsupportedBufferError(
            "A PixelReplayBuffer takes no further steps: it is for fit(). For fit_online(), use d3rlpy's own buffer."
        )

    append_episode = append
    clip_episode = append

    @property
    def transition_count(self) -> int:
        """Number of transitions."""
        return len(self.observation_frames)

    @classmethod
    def load(cls, *args: Any, **kwargs: Any) -> NoReturn:  # noqa: ARG003
        """Refuses to load: the pixel dataset is the file.

        Raises:
            UnsupportedBufferError: Always.
        """
        raise UnsupportedBufferError("Open the pixel dataset again: PixelReplayBuffer(open_pixels(path)).")

    from_episode_generator = load


def _d3rlpy_buffer(episodes: list[Episode], frame_stack: int, space: spaces.Space[Any] | None) -> ReplayBuffer:
    discrete = isinstance(space, spaces.Discrete)
    return ReplayBuffer(
        InfiniteBuffer(),
        episodes=episodes,
        transition_picker=FirstFramePicker(frame_stack),
        cache_size=1,  # the smallest: nothing is appended
        action_space=ActionSpace.DISCRETE if discrete else ActionSpace.CONTINUOUS,
        action_size=int(space.n) if isinstance(space, spaces.Discrete) else episodes[0].actions.shape[1],
    )


def _columns(episode: PixelEpisode, start: int, frame_stack: int, n_steps: int, gamma: float) -> tuple[Array, ...]:
    """Returns the columns of an episode's transitions, each with the return of up to ``n_steps`` steps."""
    before, after = episode.stacks(frame_stack)
    steps = len(episode)
    last = np.minimum(np.arange(steps) + n_steps, steps) - 1
    padded = np.concatenate([episode.rewards, np.zeros(n_steps - 1, np.float32)])
    returns = sum(gamma**i * padded[i : i + steps] for i in range(n_steps))
    terminations = (last == steps - 1) & episode.terminated
    columns = (np.asarray(returns), terminations, last + 1 - np.arange(steps))
    actions = episode.actions.reshape(steps, -1).astype(np.float32)
    return before + start, after[last] + start, actions, *(c.astype(np.float32)[:, None] for c in columns)
