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
from synth_replay_d3rlpy.latent_data import Augment, FirstFramePicker


class PixelReplayBuffer(WrappingBuffer):
    """A d3rlpy buffer of a pixel dataset, for ``fit``.

    Stacks begin with repeats of an episode's first frame, as in DrQ and as Gymnasium stacks them. Returns of several
    steps end with the episode. Batches are drawn from NumPy's global stream, as in d3rlpy.

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
        episodes = list(dataset.episodes()) if isinstance(dataset, PixelDataset) else list(dataset)
        if not episodes:
            raise InvalidTransitionsError("There are no episodes.")
        if len({episode.frames.shape[1:] for episode in episodes}) > 1:
            raise InvalidTransitionsError("All frames need one size.")
        self.augmenter, self.n_steps, self.gamma = augmenter, n_steps, gamma
        self.frames = np.concatenate([episode.frames for episode in episodes])
        starts = np.cumsum([0, *(len(episode.frames) for episode in episodes)])[:-1].tolist()
        rows = [_rows(e, start, frame_stack, n_steps, gamma) for e, start in zip(episodes, starts, strict=True)]
        columns = map(np.concatenate, zip(*rows, strict=True))
        self.before, self.after, self.actions, self.rewards, self.ends, self.intervals = columns
        space = dataset.action_space if isinstance(dataset, PixelDataset) else action_space
        self.dataset = _host([self._episode(e, s) for e, s in zip(episodes, starts, strict=True)], frame_stack, space)

    def _episode(self, episode: PixelEpisode, start: int) -> Episode:
        """d3rlpy's view of the same frames; they are not copied."""
        steps = len(episode)
        frames, actions = self.frames[start : start + steps], episode.actions.reshape(steps, -1)
        return Episode(frames, actions, episode.rewards[:, None], episode.terminated)

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
