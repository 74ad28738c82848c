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
    """The denoiser D(x; sigma) = c_skip x + c_out F(c_in x; c_noise), where F is the network.

    Args:
        network: Raw network F.
        noise: Standard deviation of the data (sigma_data) and training distribution of sigma.
        label: Position of the label in the conditions; None without labels.
        label_dropout: Share of training rows whose label becomes the null token, in [0, 1).
        weights: Weights ``[D]`` of the columns in the loss, 1 on average, on the network's device; None weights all
            columns equally.
    """

    def __init__(
        self,
        network: ResidualMLP,
        noise: NoiseConfig,
        label: LabelColumns | None = None,
        label_dropout: float = 0.0,
        weights: Tensor | None = None,
    ) -> None:
        self.network, self.noise, self.label = network, noise, label
        self.label_dropout, self.weights = label_dropout, weights

    @property
    def device(self) -> torch.device:
        """Device of the network's weights."""
        return next(self.network.parameters()).device

    def training_loss(self, rows: Tensor, condition: Tensor | None, rng: torch.Generator) -> Tensor:
        """Computes :meth:`loss` after replacing a share of the labels with the null token."""
        if self.label is not None and condition is not None:
            condition = self.label.drop(condition, self.label_dropout, rng)
        return self.loss(rows, condition, rng)

    def loss(self, rows: Tensor, condition: Tensor | None, rng: torch.Generator) -> Tensor:
        """Computes the weighted denoising loss at random noise levels.

        With EDM's weight (sigma^2 + sigma_data^2) / (sigma sigma_data)^2 the weighted error of D is the plain
        squared error of F against the target below, which is what is computed.

        Args:
            rows: Clean rows ``[B, D]``.
            condition: Conditions ``[B, C]``, or None.
            rng: Source of noise levels and noise, on the device of ``rows``.

        Returns:
            The mean over rows and columns, a scalar.
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
        """Returns the denoiser of one chunk of rows, a function of rows ``[B, D]`` and a scalar noise level.

        Whatever does not depend on the row is computed once: the folded input layer and the conditions' part here,
        the noise level's part once per evaluation. Where guidance acts, one call on ``2 B`` rows gives the
        conditional and the null score.

        Args:
            condition: Conditions ``[B, C]`` of all steps, or None.
            guidance: Guidance by the label; None uses the conditional model.
        """
        network, data = self.network, self.noise.sigma_data
        weight_in, bias_of_rows = network.input_weight(), network.condition_bias(condition)
        guidance = guidance or GuidanceConfig()
        both, weight = self._both_biases(condition, bias_of_rows, guidance), 1 + guidance.weight

        def denoise(x: Tensor, sigma: float) -> Tensor:
            total = sigma**2 + data**2
            bias, scaled = network.noise_bias(math.log(sigma) / 4), x * total**-0.5
            if both is None or not guidance.acts_at(sigma):
                out = network.forward_folded(scaled, weight_in, bias, bias_of_rows)
            elif not weight:
                out = network.forward_folded(scaled, weight_in, bias, both[len(x) :])
            else:
                conditional, null = network.forward_folded(scaled.repeat(2, 1), weight_in, bias, both).chunk(2)
                out = null.lerp_(conditional, weight)
            return out.mul_(sigma * data * total**-0.5).add_(x, alpha=data**2 / total)

        return denoise

    def _both_biases(self, condition: Tensor | None, bias: Tensor | None, guidance: GuidanceConfig) -> Tensor | None:
        """Returns the conditions' part with labels, then with null tokens, ``[2 B, W]``; None if it is not needed."""
        if self.label is None or condition is None or bias is None or not guidance.weight:
            return None
        null = self.network.condition_bias(self.label.null(condition))
        assert null is not None
        return torch.cat([bias, null])
