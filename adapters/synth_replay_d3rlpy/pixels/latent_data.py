"""d3rlpy buffers of frames as buffers of latents, and frames augmented as they are sampled."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from d3rlpy.dataset import (
    BasicTransitionPicker,
    Episode,
    EpisodeBase,
    FrameStackTransitionPicker,
    InfiniteBuffer,
    MultiStepTransitionPicker,
    ReplayBuffer,
    ReplayBufferBase,
    Transition,
    TransitionMiniBatch,
)
from gymnasium import spaces
from tqdm import tqdm

from synth_replay.buffers.offline import latent_rows
from synth_replay.encoders import LatentEncoder, cached_encoder
from synth_replay.errors import ConfigError, InvalidTransitionsError, UnsupportedBufferError
from synth_replay.spaces import Array
from synth_replay.transitions import Transitions
from synth_replay_d3rlpy.host import WrappingBuffer

Spaces = tuple[spaces.Space[Any], spaces.Space[Any]]
Augment = Callable[[Array, Array], tuple[Array, Array]]


class FirstFramePicker(FrameStackTransitionPicker):  # type: ignore[misc]
    """d3rlpy's picker of stacks, which begin with repeats of an episode's first frame instead of zeros.

    So do DrQ's, V-D4RL's and Gymnasium's.
    """

    def __call__(self, episode: EpisodeBase, index: int) -> Transition:
        """Called by d3rlpy."""
        found = super().__call__(episode, index)
        after = found.next_observation if found.terminal else self._stack(episode, index + 1)
        return dataclasses.replace(found, observation=self._stack(episode, index), next_observation=after)

    def _stack(self, episode: EpisodeBase, index: int) -> Array:
        return np.concatenate([episode.observations[max(index - i, 0)] for i in reversed(range(self._n_frames))])


PICKERS = (BasicTransitionPicker, FrameStackTransitionPicker, FirstFramePicker, MultiStepTransitionPicker)


def encode_buffer(
    dataset: ReplayBufferBase, encoder: LatentEncoder | str | Path, progress: bool = False
) -> ReplayBuffer:
    """The same episodes with the latents of a frozen encoder as observations.

    Frames are stacked as the dataset's own picker stacks them, and not augmented (for that, see
    :func:`~synth_replay.encoders.encode_transitions`); the new buffer's picker stacks no more, and keeps n-step
    returns.

    Args:
        dataset: Episodes of frames ``[T, C, H, W]``, uint8 or floats of 0 to 255.
        encoder: The encoder, or its file.
        progress: Show a bar.

    Raises:
        ConfigError: If the picker is one of the user's own.
        SpecMismatchError: If the frames are not what the encoder takes.
        InvalidTransitionsError: If there are no episodes.
    """
    frozen = cached_encoder(encoder) if isinstance(encoder, str | Path) else encoder
    picker = dataset.transition_picker
    if type(picker) not in PICKERS:
        raise ConfigError(f"Frames are stacked as d3rlpy's own pickers do; got {type(picker).__name__}.")
    if not dataset.episodes:
        raise InvalidTransitionsError("The dataset has no episodes to encode.")
    stacking = isinstance(picker, FrameStackTransitionPicker)
    frames = picker._n_frames if stacking else 1
    bar = tqdm(dataset.episodes, "Encoding", unit="episode", disable=not progress)
    first = isinstance(picker, FirstFramePicker)
    episodes = [
        Episode(frozen.encode(stacked(e.observations, frames, first)), e.actions, e.rewards, e.terminated) for e in bar
    ]
    n_steps = getattr(dataset, "n_steps", 1)  # of a PixelReplayBuffer
    stacked_no_more = BasicTransitionPicker() if n_steps == 1 else MultiStepTransitionPicker(n_steps, dataset.gamma)
    return ReplayBuffer(
        InfiniteBuffer(),
        episodes=episodes,
        transition_picker=stacked_no_more if stacking else copy.copy(picker),
        action_space=dataset.dataset_info.action_space,
        action_size=dataset.dataset_info.action_size,
    )


def latent_offline(
    given: ReplayBufferBase | str | Path | Transitions, encoder: LatentEncoder | str | Path, progress: bool = False
) -> ReplayBufferBase | str | Path | Transitions:
    """A d3rlpy dataset as :func:`encode_buffer`, anything else as :func:`~synth_replay.buffers.offline.latent_rows`.

    Raises:
        SpecMismatchError: If the frames are not what the encoder takes.
    """
    if isinstance(given, ReplayBufferBase):
        return encode_buffer(given, encoder, progress)
    frozen = cached_encoder(encoder) if isinstance(encoder, str | Path) else encoder
    return latent_rows(given, frozen, progress)


def latent_spaces(encoder: str | Path, of_pixels: Spaces) -> Spaces:
    """The environment's spaces, with latents for frames."""
    return cached_encoder(encoder).layout.space, of_pixels[1]


def stacked(frames: Array, count: int, first: bool = False) -> Array:
    """``[T, C, H, W]`` as ``[T, count * C, H, W]``; before the first frame are zeros, or its repeats."""
    if count == 1:
        return frames
    padded = np.concatenate((np.repeat(frames[:1] * np.uint8(first), count - 1, axis=0), frames))
    return np.concatenate([padded[i : i + len(frames)] for i in range(count)], axis=1)


class AugmentedReplayBuffer(WrappingBuffer):
    """A d3rlpy buffer whose batches are augmented; episodes, evaluators and scalers see the frames as they are.

    Args:
        dataset: Any d3rlpy buffer of frames.
        augmenter: A :class:`~synth_replay.augment.pixels.PixelAugmenter`, or any callable of the same arguments:
            observations and next observations of a batch, to augmented ones of the same shape.
    """

    def __init__(self, dataset: ReplayBufferBase, augmenter: Augment) -> None:
        self.dataset, self.augmenter = dataset, augmenter

    def sample_transition_batch(self, batch_size: int) -> TransitionMiniBatch:
        """The dataset's own batch, augmented; next observations after a termination stay zero."""
        batch = self.dataset.sample_transition_batch(batch_size)
        before, after = self.augmenter(batch.observations, batch.next_observations)
        after[batch.terminals.reshape(-1) > 0] = 0
        return dataclasses.replace(batch, observations=before, next_observations=after)

    @classmethod
    def load(cls, *args: Any, **kwargs: Any) -> NoReturn:  # noqa: ARG003
        """Not offered: load the dataset, then wrap it."""
        raise UnsupportedBufferError("Load the dataset itself, then wrap it: AugmentedReplayBuffer(dataset, ...).")

    from_episode_generator = load
