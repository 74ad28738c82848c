"""EDM preconditioning and loss (Karras et al. 2022, Table 1 and Eqs. 7-8)."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from synth_replay.diffusion.config import NoiseConfig
from synth_replay.diffusion.guidance import GuidanceConfig, LabelColumns
from synth_replay.diffusion.network import ResidualMLP
from synth_replay.diffusion.schedules import training_sigmas

Denoise = Callable[[Tensor, float], Tensor]


class Denoiser:
    """D(x; sigma) = c_skip x + c_out F(c_in x; c_noise), with F the network.

    Args:
        network: The raw network F.
        noise: sigma_data and the training distribution of sigma.
        label: Where the label is in the conditions; None without labels.
        guidance: Label dropout and guidance.
        weights: ``[D]`` of a row's columns in the loss, 1 on average, on the network's device; None for equal ones.
    """

    def __init__(
        self,
        network: ResidualMLP,
        noise: NoiseConfig,
        label: LabelColumns | None = None,
        guidance: GuidanceConfig | None = None,
        weights: Tensor | None = None,
    ) -> None:
        self.network, self.noise, self.label, self.guidance = network, noise, label, guidance or GuidanceConfig()
        self.weights = weights

    def training_loss(self, rows: Tensor, condition: Tensor | None, rng: torch.Generator) -> Tensor:
        """:meth:`loss` with some labels dropped."""
        if self.label is not None and condition is not None:
            condition = self.label.drop(condition, self.guidance.label_dropout, rng)
        return self.loss(rows, condition, rng)

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
        if self.weights is None:
            return torch.nn.functional.mse_loss(prediction, target)
        weighted: Tensor = self.weights * (prediction - target).square()
        return weighted.mean()

    def for_sampling(self, condition: Tensor | None, guidance: GuidanceConfig | None = None) -> Denoise:
        """The denoiser for one chunk of rows at scalar noise levels.

        All that does not depend on the row is computed once: the folded entry layer and the conditions'
        part here, the noise level's part at each evaluation for all rows together. Where guidance acts, the
        conditional and the null score come from one call on twice the rows.

        Args:
            condition: ``[B, C]`` or None, the same for all steps.
            guidance: Instead of the denoiser's own.
        """
        network, data = self.network, self.noise.sigma_data
        entry, bias_of_rows = network.entry_weight(), network.condition_bias(condition)
        guidance = guidance or self.guidance
        both, weight = self._both_biases(condition, bias_of_rows, guidance), 1 + guidance.weight

        def denoise(x: Tensor, sigma: float) -> Tensor:
            total = sigma**2 + data**2
            bias, scaled = network.noise_bias(math.log(sigma) / 4), x * total**-0.5
            if both is None or not guidance.acts_at(sigma):
                out = network.forward_folded(scaled, entry, bias, bias_of_rows)
            elif not weight:
                out = network.forward_folded(scaled, entry, bias, both[len(x) :])
            else:
                conditional, null = network.forward_folded(scaled.repeat(2, 1), entry, bias, both).chunk(2)
                out = null.lerp_(conditional, weight)
            return out.mul_(sigma * data * total**-0.5).add_(x, alpha=data**2 / total)

        return denoise

    def _both_biases(self, condition: Tensor | None, bias: Tensor | None, guidance: GuidanceConfig) -> Tensor | None:
        """The conditions' part with their labels, then with the null token, ``[2 B, W]``; None if it is not needed."""
        if self.label is None or condition is None or bias is None or not guidance.weight:
            return None
        null = self.network.condition_bias(self.label.null(condition))
        assert null is not None
        return torch.cat([bias, null])
