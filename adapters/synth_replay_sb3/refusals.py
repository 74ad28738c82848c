"""What Stable-Baselines3 offers and generated rows cannot serve, refused before any work is done."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from gymnasium import spaces
from stable_baselines3 import HerReplayBuffer
from stable_baselines3.common.vec_env import VecNormalize

from synth_replay.buffers.counts import whole_number
from synth_replay.errors import ConfigError, ImageObservationError, UnsupportedBufferError
from synth_replay.generator.one_step import OneStepModel

HER_ARGUMENTS = {"n_sampled_goal", "goal_selection_strategy", "copy_info_dict"}
N_STEP_ARGUMENTS = {"n_steps", "gamma"}


def refuse_hindsight(owner: type, options: Iterable[str]) -> None:
    """Refuses hindsight experience replay.

    Raises:
        UnsupportedBufferError: If its arguments, or its class, are used.
    """
    if HER_ARGUMENTS & set(options) or issubclass(owner, HerReplayBuffer):
        raise UnsupportedBufferError(
            "Hindsight experience replay recomputes rewards from the rest of the episode; a generated transition has "
            "no episode. Use HerReplayBuffer alone, or this buffer without HER arguments on the Dict observations."
        )


def refuse_n_steps(n_steps: int, observation_space: spaces.Space[Any]) -> int:
    """Refuses lengths of a return that make no sense, or that SB3 has no buffer for; returns the length as an int.

    Raises:
        ConfigError: If the number of steps is not a whole number of at least 1.
        UnsupportedBufferError: If observations are Dicts and returns have several steps.
    """
    n_steps = whole_number("n_steps", n_steps, "the steps of a return")
    if n_steps > 1 and isinstance(observation_space, spaces.Dict):
        raise UnsupportedBufferError("SB3 has no n-step returns for Dict observations; set n_steps=1.")
    return n_steps


@contextmanager
def explained_images(observation_space: spaces.Space[Any], encoder: Any) -> Iterator[None]:
    """Says what to do about images among Dict observations, where the engine or the encoder refuses them.

    Raises:
        ImageObservationError: If there are images beside other observations.
    """
    parts = observation_space.spaces if isinstance(observation_space, spaces.Dict) else {}
    images = [key for key, part in parts.items() if _is_image(part)]
    if not images:
        yield
        return
    text = (
        f"The Dict observations hold images ({', '.join(map(repr, images))}), and only vectors can be "
        "generated. encoder= is for environments whose whole observation is a frame. Encode the image in the "
        "environment: a gymnasium.ObservationWrapper replaces it by encoder.encode(frame[None])[0] and its space by "
        "encoder.layout.space, with encoder = FrozenEncoder.load(path) (docs: Pixels). Or set real_ratio=1."
    )
    if encoder is not None:
        raise ImageObservationError(text)
    try:
        yield
    except ImageObservationError as error:
        raise ImageObservationError(text) from error


def _is_image(space: spaces.Space[Any]) -> bool:
    return isinstance(space, spaces.Box) and space.dtype == np.uint8 and len(space.shape) > 2


def refuse_mixed(owner: type, offline: Any, options: Iterable[str]) -> None:
    """Refuses what a mixed buffer cannot do.

    Raises:
        UnsupportedBufferError: For n-step returns and hindsight experience replay.
        ConfigError: If there is no offline dataset.
    """
    if N_STEP_ARGUMENTS & set(options):
        raise UnsupportedBufferError(
            "CFGMixedBuffer has no n-step returns: an offline dataset's rows and generated ones have no neighbours. "
            "Leave n_steps out, or use SyntheticReplayBuffer."
        )
    refuse_hindsight(owner, options)
    if offline is None:
        raise ConfigError("CFGMixedBuffer needs its offline dataset: replay_buffer_kwargs={'offline': path}.")


def refuse_normalized(env: VecNormalize | None) -> None:
    """Refuses normalised observations for a buffer that keeps latents, which VecNormalize has not seen.

    Raises:
        ConfigError: If the environment normalises observations.
    """
    if env is not None and env.norm_obs:
        raise ConfigError("An encoder sees frames as they are: use VecNormalize(norm_obs=False).")


def refuse_frames(buffer: Any) -> None:
    """Refuses the one-step model where frames are kept as latents: the policy acts on frames.

    Raises:
        ConfigError: If a buffer has both.
    """
    if buffer.frames is not None and isinstance(buffer.engine.generator, OneStepModel):
        raise ConfigError(
            "generator='one_step_model' needs actions for the states of the buffer, which are latents here, and the "
            "policy acts on frames. Use a diffusion model with encoder=."
        )
