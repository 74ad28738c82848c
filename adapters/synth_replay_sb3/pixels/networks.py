"""A frozen encoder as SB3's features extractor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import Tensor

from synth_replay.encoders import FrozenModule, cached_encoder
from synth_replay.errors import ConfigError


class FrozenFeatures(BaseFeaturesExtractor):
    """A features extractor of SB3 on a frozen encoder, for frames and for the latents of our buffers.

    It has no parameters: optimisers, soft updates, ``train()`` and ``state_dict`` cannot change the encoder.

    Args:
        observation_space: Observation space, given by SB3.
        encoder: File of the :class:`~synth_replay.encoders.FrozenEncoder`.
        part: Name of the feature that the network on top reads; None for the whole latent.

    Raises:
        CheckpointError: If the file is not an encoder.
        ConfigError: If the observations are neither frames nor latents of the encoder, or it has no such feature.
    """

    def __init__(self, observation_space: spaces.Space[Any], encoder: str | Path, part: str | None = None) -> None:
        frozen = cached_encoder(encoder)
        if observation_space.shape not in (frozen.pixel_shape, frozen.space.shape):
            raise ConfigError(
                f"Observations of shape {observation_space.shape} are neither frames {frozen.pixel_shape} nor latents "
                f"{frozen.space.shape} of the encoder {encoder}. Use an encoder that was trained on these frames."
            )
        read = slice(0, frozen.layout.size) if part is None else frozen.layout.part(part)
        super().__init__(observation_space, read.stop - read.start)
        # uint8 frames need no check of their range, for which SB3's target networks would wait at every update
        self.frozen = FrozenModule(frozen, read, check=observation_space.dtype != np.uint8)

    def forward(self, observations: Tensor) -> Tensor:
        """Maps frames ``[n, C, H, W]`` in [0, 255], or latents ``[n, d]``, to ``[n, features_dim]``."""
        found: Tensor = self.frozen(observations)
        return found
