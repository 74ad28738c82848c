"""Frame stacks that begin with repeats of an episode's first frame."""

from __future__ import annotations

import dataclasses

import numpy as np
from d3rlpy.dataset import EpisodeBase, FrameStackTransitionPicker, Transition

from synth_replay.spaces import Array


class FirstFramePicker(FrameStackTransitionPicker):  # type: ignore[misc]
    """d3rlpy's picker of frame stacks, with repeats of the first frame before an episode instead of zeros.

    DrQ, V-D4RL and Gymnasium stack frames in this way.
    """

    def __call__(self, episode: EpisodeBase, index: int) -> Transition:
        """Picks the transition at ``index``; called by d3rlpy."""
        found = super().__call__(episode, index)
        after = found.next_observation if found.terminal else self._stack(episode, index + 1)
        return dataclasses.replace(found, observation=self._stack(episode, index), next_observation=after)

    def _stack(self, episode: EpisodeBase, index: int) -> Array:
        return np.concatenate([episode.observations[max(index - i, 0)] for i in reversed(range(self._n_frames))])


def stack_frames(frames: Array, count: int, repeat_first: bool = False) -> Array:
    """Stacks the frames of an episode.

    Args:
        frames: Frames ``[T, C, H, W]``.
        count: Number of frames in a stack.
        repeat_first: Whether the first frame is repeated before the episode; otherwise the stacks begin with zeros.

    Returns:
        Stacks ``[T, count * C, H, W]``, the newest frame last.
    """
    if count == 1:
        return frames
    padded = np.concatenate((np.repeat(frames[:1] * np.uint8(repeat_first), count - 1, axis=0), frames))
    return np.concatenate([padded[i : i + len(frames)] for i in range(count)], axis=1)
