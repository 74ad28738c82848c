"""How well the denoiser agrees with a row: the least plausible rows can be drawn again."""

from __future__ import annotations

import torch
from torch import Tensor

from synth_replay.diffusion.preconditioning import Denoise

SIGMA = 0.05
DRAWS = 4


def residual(denoise: Denoise, rows: Tensor, rng: torch.Generator, sigma: float = SIGMA, draws: int = DRAWS) -> Tensor:
    """Mean squared change of a row that gets a little noise and is denoised; large where the model knows few rows.

    This is the denoising loss of a single row (EDM Eq. 2), as far as it depends on the row, without weights of
    columns.

    Args:
        denoise: ``denoise(x, sigma)``.
        rows: ``[B, D]``.
        rng: Source of the noise.
        sigma: Noise level; small ones tell unlikely steps, large ones unlikely states.
        draws: Noises that are averaged.

    Returns:
        ``[B]``.
    """
    total = torch.zeros(len(rows), device=rows.device)
    for _ in range(draws):
        noise = torch.randn(rows.shape, generator=rng, device=rows.device)
        total += (denoise(torch.add(rows, noise, alpha=sigma), sigma) - rows).square().mean(dim=1)
    return total / draws
