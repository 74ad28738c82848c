"""A wrapper that gives the latents of a pixel environment as its observations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.utils import RecordConstructorArgs

from synth_replay.encoders.frozen import FrozenEncoder, LatentEncoder
from synth_replay.errors import SpecMismatchError
from synth_replay.spaces import Array


class LatentObservation(gym.ObservationWrapper[Array, Any, Array], RecordConstructorArgs):
    """Replaces pixels by the latents of a frozen encoder, so that any agent with vector observations can act.

    Args:
        env: Environment whose observations have the encoder's pixel shape, channels first.
        encoder: Encoder of the observations, or the path of its file.

    Raises:
        SpecMismatchError: If the environment's observations have another shape.
    """

    def __init__(self, env: gym.Env[Array, Any], encoder: LatentEncoder | str | Path) -> None:
        RecordConstructorArgs.__init__(self, encoder=encoder)
        gym.ObservationWrapper.__init__(self, env)
        self.encoder = FrozenEncoder.load(encoder) if isinstance(encoder, str | Path) else encoder
        if env.observation_space.shape != self.encoder.pixel_shape:
            raise SpecMismatchError(
                f"The environment's observations have the shape {env.observation_space.shape}, the encoder takes "
                f"{self.encoder.pixel_shape}: stacked frames, channels first."
            )
        self.observation_space = self.encoder.layout.space

    def observation(self, observation: Array) -> Array:
        """Encodes one observation."""
        latents: Array = self.encoder.encode(np.asarray(observation)[None])[0]
        return latents
