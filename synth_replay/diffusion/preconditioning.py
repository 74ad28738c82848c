"""EDM preconditioning and loss (Karras et al. 2022, Table 1 and Eqs. 7-8)."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from synth_replay.diffusion.config import NoiseConfig
from synth_replay.diffusion.network import ResidualMLP
from synth_replay.diffusion.schedules import training_sigmas

Denoise = Callable[[Tensor, float], Tensor]


class Denoiser:
    """D(x; sigma) = c_skip x + c_out F(c_in x; c_noise), with F the network.

    Args:
        network: The raw network F.
        noise: sigma_data and the training distribution of sigma.
    """

    def __init__(self, network: ResidualMLP, noise: NoiseConfig) -> None:
        self.network, self.noise = network, noise

    def loss(self, rows: Tensor, condition: Tensor | None, rng: torch.Generator) -> Tensor:
        """Weighted denoising loss at random noise levels, a scalar.

        With EDM's weight (sigma^2 + sigma_data^2) / (sigma sigma_data)^2 the weighted error of D is the plain
        squared error of F against the target below, which is what is computed.

        Args:
            rows: Clean rows ``[B, D]``.
            condition: ``[B, C]`` or None.
            rng: Source of noise levels and noise, on the device of ``rows``.
        """
        data = self.noise.sigma_data
        sigma = training_sigmas(len(rows), self.noise, rng)
        noisy = torch.randn(rows.shape, generator=rng, device=rows.device).mul_(sigma).add_(rows)
        total = sigma.square() + data**2
        scale = total.rsqrt()
        # (x - c_skip (x + n)) / c_out, with c_skip = data^2 / total and c_out = sigma data / sqrt(total)
        target = (rows * total - noisy * data**2) * scale / (sigma * data)
        prediction = self.network(noisy * scale, sigma.log().squeeze(1) / 4, condition)
        return torch.nn.functional.mse_loss(prediction, target)

    def for_sampling(self, condition: Tensor | None) -> Denoise:
        """The denoiser for one chunk of rows at scalar noise levels.

        All that does not depend on the row is computed once: the folded entry layer and the conditions'
        part here, the noise level's part at each evaluation for all rows together.

        Args:
            condition: ``[B, C]`` or None, the same for all steps.
        """
        network, data = self.network, self.noise.sigma_data
        entry, condition_bias = network.entry_weight(), network.condition_bias(condition)

        def denoise(x: Tensor, sigma: float) -> Tensor:
            total = sigma**2 + data**2
            bias = network.noise_bias(math.log(sigma) / 4)
            out = network.forward_folded(x * total**-0.5, entry, bias, condition_bias)
            return out.mul_(sigma * data * total**-0.5).add_(x, alpha=data**2 / total)

        return denoise
