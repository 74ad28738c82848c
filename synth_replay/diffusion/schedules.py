"""Noise levels of sampling (a schedule) and of training (a distribution)."""

from __future__ import annotations

import torch

from synth_replay.diffusion.config import NoiseConfig, SamplerConfig


def karras_sigmas(config: SamplerConfig) -> list[float]:
    """Returns the decreasing noise levels of EDM Eq. 5, followed by 0.

    Returns:
        ``steps + 1`` Python floats. Tensors would make the samplers wait for the device.
    """
    low, high = config.sigma_min ** (1 / config.rho), config.sigma_max ** (1 / config.rho)
    last = config.steps - 1
    return [(high + i / last * (low - high)) ** config.rho for i in range(config.steps)] + [0.0]


def training_sigmas(count: int, noise: NoiseConfig, rng: torch.Generator) -> torch.Tensor:
    """Samples log-normal noise levels ``[count, 1]`` (EDM Table 1) on the device of ``rng``."""
    normal = torch.randn(count, 1, generator=rng, device=rng.device)
    return (normal * noise.p_std + noise.p_mean).exp()
