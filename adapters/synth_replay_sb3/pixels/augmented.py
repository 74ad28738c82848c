"""A replay buffer whose batches are augmented frames."""

from __future__ import annotations

from typing import Any

import torch
from gymnasium import spaces
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.type_aliases import ReplayBufferSamples
from stable_baselines3.common.vec_env import VecNormalize

from synth_replay.augment import PixelAugmenter


class AugmentedReplayBuffer(ReplayBuffer):
    """SB3's replay buffer with augmented batches; it stores the frames unchanged.

    Args:
        buffer_size: Number of transitions, as in SB3.
        observation_space: Observation space, given by SB3.
        action_space: Action space, given by SB3.
        device: Device of the batches, given by SB3.
        n_envs: Number of environments, given by SB3.
        optimize_memory_usage: Whether frames are stored once, given by SB3.
        handle_timeout_termination: Whether truncations are told from terminations, as in SB3.
        **augmenter: Arguments of :class:`~synth_replay.augment.PixelAugmenter`.
    """

    def __init__(
        self,
        buffer_size: int,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        device: torch.device | str = "auto",
        n_envs: int = 1,
        optimize_memory_usage: bool = False,
        handle_timeout_termination: bool = True,
        **augmenter: Any,
    ) -> None:
        self.augmenter = PixelAugmenter(**augmenter)
        super().__init__(
            buffer_size,
            observation_space,
            action_space,
            device,
            n_envs,
            optimize_memory_usage,
            handle_timeout_termination,
        )

    def _get_samples(self, batch_inds: Any, env: VecNormalize | None = None) -> ReplayBufferSamples:
        samples = super()._get_samples(batch_inds, env)
        before, after = self.augmenter(samples.observations, samples.next_observations)
        return samples._replace(observations=before, next_observations=after)
