"""d3rlpy datasets of frames as datasets of latents."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from d3rlpy.dataset import (
    BasicTransitionPicker,
    Episode,
    FrameStackTransitionPicker,
    InfiniteBuffer,
    MultiStepTransitionPicker,
    ReplayBuffer,
    ReplayBufferBase,
)
from gymnasium import spaces
from tqdm import tqdm

from synth_replay.buffers.offline import latent_rows
from synth_replay.encoders import LatentEncoder, cached_encoder
from synth_replay.errors import ConfigError, InvalidTransitionsError
from synth_replay.transitions import Transitions
from synth_replay_d3rlpy.pixels.stacking import FirstFramePicker, stack_frames

Spaces = tuple[spaces.Space[Any], spaces.Space[Any]]
PICKERS = (BasicTransitionPicker, FrameStackTransitionPicker, FirstFramePicker, MultiStepTransitionPicker)


def encode_buffer(
    dataset: ReplayBufferBase, encoder: LatentEncoder | str | Path, progress: bool = False
) -> ReplayBuffer:
    """Encodes the observations of a d3rlpy dataset of frames.

    Frames are stacked as the dataset's own picker stacks them. They are not augmented; see
    :func:`~synth_replay.encoders.encode_transitions` for that. The new buffer's picker does not stack, and keeps n-step
    returns.

    Args:
        dataset: Episodes of frames ``[T, C, H, W]``, uint8 or floats in [0, 255].
        encoder: The encoder, or its file.
        progress: Whether to show a progress bar.

    Returns:
        A dataset of the same episodes with latents ``[T, d]`` as observations.

    Raises:
        ConfigError: If the picker is not one of d3rlpy's own.
        SpecMismatchError: If the encoder takes other frames.
        InvalidTransitionsError: If there are no episodes.
    """
    frozen, picker = _load(encoder), dataset.transition_picker
    if type(picker) not in PICKERS:
        raise ConfigError(
            f"Frames can only be stacked by d3rlpy's own pickers; got {type(picker).__name__}. Stack the frames in the "
            "episodes themselves."
        )
    if not dataset.episodes:
        raise InvalidTransitionsError("The dataset has no episodes to encode. Add episodes first.")
    episodes = []
    for episode in tqdm(dataset.episodes, "Encoding", unit="episode", disable=not progress):
        latents = frozen.encode(_stacks(picker, episode.observations))
        episodes.append(Episode(latents, episode.actions, episode.rewards, episode.terminated))
    return ReplayBuffer(
        InfiniteBuffer(),
        episodes=episodes,
        transition_picker=_latent_picker(dataset),
        action_space=dataset.dataset_info.action_space,
        action_size=dataset.dataset_info.action_size,
    )


def encode_offline(
    given: ReplayBufferBase | str | Path | Transitions, encoder: LatentEncoder | str | Path, progress: bool = False
) -> ReplayBufferBase | str | Path | Transitions:
    """Encodes offline data in any form: a d3rlpy dataset, loose rows, or a path.

    A d3rlpy dataset is encoded by :func:`encode_buffer`, anything else by
    :func:`~synth_replay.buffers.offline.latent_rows`.

    Raises:
        SpecMismatchError: If the encoder takes other frames.
    """
    if isinstance(given, ReplayBufferBase):
        return encode_buffer(given, encoder, progress)
    return latent_rows(given, _load(encoder), progress)


def latent_spaces(encoder: str | Path, pixel_spaces: Spaces) -> Spaces:
    """Returns the environment's spaces with latents in place of frames."""
    return cached_encoder(encoder).layout.space, pixel_spaces[1]


def _load(encoder: LatentEncoder | str | Path) -> LatentEncoder:
    return cached_encoder(encoder) if isinstance(encoder, str | Path) else encoder


def _stacks(picker: Any, frames: Any) -> Any:
    count = picker._n_frames if isinstance(picker, FrameStackTransitionPicker) else 1
    return stack_frames(frames, count, isinstance(picker, FirstFramePicker))


def _latent_picker(dataset: ReplayBufferBase) -> Any:
    if not isinstance(dataset.transition_picker, FrameStackTransitionPicker):
        return copy.copy(dataset.transition_picker)
    n_steps = getattr(dataset, "n_steps", 1)  # PixelReplayBuffer computes n-step returns itself
    return BasicTransitionPicker() if n_steps == 1 else MultiStepTransitionPicker(n_steps, dataset.gamma)
