"""From noise to rows: one short function for each published algorithm."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor

from synth_replay.diffusion.config import SamplerConfig
from synth_replay.diffusion.preconditioning import Denoise
from synth_replay.diffusion.schedules import karras_sigmas


def sample(denoise: Denoise, shape: tuple[int, int], config: SamplerConfig, rng: torch.Generator) -> Tensor:
    """Draws rows with the configured sampler.

    Args:
        denoise: ``denoise(x, sigma)`` for rows ``[B, D]`` and a float sigma.
        shape: ``(B, D)``.
        config: Algorithm, schedule and number of steps.
        rng: Source of all noise; rows are made on its device.

    Returns:
        Clean rows ``[B, D]``.
    """
    x = torch.randn(shape, generator=rng, device=rng.device) * config.sigma_max
    if config.name == "dpmpp_2m":
        return dpmpp_2m(denoise, x, karras_sigmas(config))
    if config.name == "heun_ode":
        return heun_ode(denoise, x, karras_sigmas(config))
    return heun_sde(denoise, x, config, rng)


def _heun_step(denoise: Denoise, x: Tensor, sigma: float, after: float) -> Tensor:
    slope = (x - denoise(x, sigma)) / sigma
    euler = x + slope * (after - sigma)
    if after == 0:
        return euler
    slope += (euler - denoise(euler, after)) / after
    return x + slope * ((after - sigma) / 2)


def heun_ode(denoise: Denoise, x: Tensor, sigmas: list[float]) -> Tensor:
    """Deterministic second-order sampler (Karras et al. 2022, Algorithm 1)."""
    for sigma, after in pairwise(sigmas):
        x = _heun_step(denoise, x, sigma, after)
    return x


def heun_sde(denoise: Denoise, x: Tensor, config: SamplerConfig, rng: torch.Generator) -> Tensor:
    """Stochastic sampler (Karras et al. 2022, Algorithm 2), as SynthER uses it (Table 9)."""
    sigmas = karras_sigmas(config)
    full = min(config.s_churn / config.steps, math.sqrt(2) - 1)
    for sigma, after in pairwise(sigmas):
        gamma = full if config.s_tmin <= sigma <= config.s_tmax else 0.0
        raised = sigma * (1 + gamma)
        if gamma:
            spread = math.sqrt(raised**2 - sigma**2) * config.s_noise
            x = x + torch.randn(x.shape, generator=rng, device=x.device) * spread
        x = _heun_step(denoise, x, raised, after)
    return x


def dpmpp_2m(denoise: Denoise, x: Tensor, sigmas: list[float]) -> Tensor:
    """DPM-Solver++(2M) with lambda = -ln sigma (Lu et al. 2022, Algorithm 2), one evaluation a step."""
    previous: Tensor | None = None
    last_step = 0.0
    for sigma, after in pairwise(sigmas):
        current = denoise(x, sigma)
        if after == 0:
            return current
        step = math.log(sigma / after)
        estimate = current
        if previous is not None:
            estimate = torch.lerp(previous, current, 1 + step / (2 * last_step))
        x = (after / sigma) * x - math.expm1(-step) * estimate
        previous, last_step = current, step
    return x
