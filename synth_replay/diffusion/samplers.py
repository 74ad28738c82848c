"""Samplers that turn noise into rows: one short function for each published algorithm.

Each takes the denoiser, the initial noise ``x`` ``[B, D]`` and the decreasing noise levels ``sigmas``, whose last is 0,
and returns clean rows ``[B, D]``.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor

from synth_replay.diffusion.config import SamplerConfig
from synth_replay.diffusion.preconditioning import Denoise
from synth_replay.diffusion.schedules import karras_sigmas


def sample(denoise: Denoise, shape: tuple[int, int], config: SamplerConfig, rng: torch.Generator) -> Tensor:
    """Samples rows with the configured algorithm.

    Args:
        denoise: Function ``denoise(x, sigma)`` of rows ``[B, D]`` and a float sigma.
        shape: Shape ``(B, D)`` of the result.
        config: Algorithm, schedule and number of steps.
        rng: Source of all noise; rows are made on its device.

    Returns:
        Clean rows ``[B, D]``.
    """
    x = torch.randn(shape, generator=rng, device=rng.device) * config.sigma_max
    sigmas = karras_sigmas(config)
    if config.name == "dpmpp_2m":
        return dpmpp_2m(denoise, x, sigmas)
    if config.name == "heun_ode":
        return heun_ode(denoise, x, sigmas)
    return heun_sde(denoise, x, sigmas, config, rng)


def _heun_step(denoise: Denoise, x: Tensor, sigma: float, after: float) -> Tensor:
    slope = (x - denoise(x, sigma)) / sigma
    euler = x + slope * (after - sigma)
    if after == 0:
        return euler
    slope += (euler - denoise(euler, after)) / after
    return x + slope * ((after - sigma) / 2)


def heun_ode(denoise: Denoise, x: Tensor, sigmas: list[float]) -> Tensor:
    """Integrates the probability-flow ODE with Heun's method (Karras et al. 2022, Algorithm 1)."""
    for sigma, after in pairwise(sigmas):
        x = _heun_step(denoise, x, sigma, after)
    return x


def heun_sde(denoise: Denoise, x: Tensor, sigmas: list[float], config: SamplerConfig, rng: torch.Generator) -> Tensor:
    """Adds fresh noise before each step of Heun's method (Karras et al. 2022, Algorithm 2; SynthER Table 9).

    Args:
        denoise: Function ``denoise(x, sigma)``.
        x: Initial noise ``[B, D]``.
        sigmas: Decreasing noise levels; the last is 0.
        config: Settings of the fresh noise, ``s_churn``, ``s_tmin``, ``s_tmax`` and ``s_noise``.
        rng: Source of the fresh noise, on the device of ``x``.
    """
    full = min(config.s_churn / (len(sigmas) - 1), math.sqrt(2) - 1)
    for sigma, after in pairwise(sigmas):
        gamma = full if config.s_tmin <= sigma <= config.s_tmax else 0.0
        raised = sigma * (1 + gamma)
        if gamma:
            spread = math.sqrt(raised**2 - sigma**2) * config.s_noise
            x = x + torch.randn(x.shape, generator=rng, device=x.device) * spread
        x = _heun_step(denoise, x, raised, after)
    return x


def dpmpp_2m(denoise: Denoise, x: Tensor, sigmas: list[float]) -> Tensor:
    """Runs DPM-Solver++(2M) with lambda = -ln sigma (Lu et al. 2022, Algorithm 2), one evaluation a step."""
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
