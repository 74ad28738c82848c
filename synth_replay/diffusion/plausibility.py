"""How well the denoiser agrees with a row, so that the least plausible rows can be resampled."""

from __future__ import annotations

import torch
from torch import Tensor

from synth_replay.diffusion.preconditioning import Denoise

SIGMA = 0.05
REPEATS = 4


def residual(
    denoise: Denoise, rows: Tensor, rng: torch.Generator, sigma: float = SIGMA, repeats: int = REPEATS
) -> Tensor:
    """Returns each row's mean squared change when a little noise is added and the row is denoised.

    The residual is large where the training data are sparse. It is the denoising loss of a single row (EDM Eq. 2)
    without column weights and without the part that does not depend on the row.

    Args:
        denoise: Function ``denoise(x, sigma)``.
        rows: Clean rows ``[B, D]``.
        rng: Source of the noise, on the device of ``rows``.
        sigma: Noise level. A low level detects unlikely steps, a high level unlikely states.
        repeats: Number of noise samples that are averaged.

    Returns:
        Residuals ``[B]``, in squared units of the row.
    """
    total = torch.zeros(len(rows), device=rows.device)
    for _ in range(repeats):
        noise = torch.randn(rows.shape, generator=rng, device=rows.device)
        total += (denoise(torch.add(rows, noise, alpha=sigma), sigma) - rows).square().mean(dim=1)
    return total / repeats
