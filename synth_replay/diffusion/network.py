"""The residual MLP denoiser of SynthER (Eq. 3, Table 8)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from synth_replay.diffusion.config import NetworkConfig


class FourierFeatures(nn.Module):
    """Features ``[t, sin 2 pi f t, cos 2 pi f t]`` with frozen frequencies ``f ~ N(0, 1)``."""

    frequencies: Tensor

    def __init__(self, features: int) -> None:
        super().__init__()
        self.register_buffer("frequencies", torch.randn(features // 2))

    def forward(self, t: Tensor) -> Tensor:
        """Returns the features ``[n, 1 + features]`` of ``t`` ``[n]``."""
        angles = t[:, None] * self.frequencies * (2 * math.pi)
        return torch.cat([t[:, None], angles.sin(), angles.cos()], dim=1)


class ResidualMLP(nn.Module):
    """A residual MLP that maps a scaled noisy row and its noise level to the raw network output F.

    Args:
        row_dim: Columns of a row, D.
        condition_dim: Columns of a condition, C; 0 without conditions.
        config: Width, depth and embedding sizes.
    """

    def __init__(self, row_dim: int, condition_dim: int, config: NetworkConfig) -> None:
        super().__init__()
        embedding = config.embedding_dim
        self.row_dim, self.condition_dim = row_dim, condition_dim
        self.project = nn.Linear(row_dim, embedding)
        self.condition = nn.Linear(condition_dim, embedding, bias=False) if condition_dim else None
        features = FourierFeatures(config.fourier_features)
        width_in = 1 + 2 * (config.fourier_features // 2)
        self.time = nn.Sequential(features, nn.Linear(width_in, embedding), nn.SiLU(), nn.Linear(embedding, embedding))
        self.input = nn.Linear(embedding, config.width)
        blocks = [nn.Linear(config.width, config.width) for _ in range(config.depth)]
        self.blocks = nn.ModuleList(blocks)
        self.output = nn.Linear(config.width, row_dim)

    def forward(self, x: Tensor, c_noise: Tensor, condition: Tensor | None) -> Tensor:
        """Computes F for rows of different noise levels, as training needs it.

        Args:
            x: Rows scaled by c_in, ``[B, D]``.
            c_noise: Noise-level inputs, ``[B]``.
            condition: ``[B, C]`` or None.

        Returns:
            F, ``[B, D]``.
        """
        h = self.project(x) + self.time(c_noise)
        if self.condition is not None and condition is not None:
            h = h + self.condition(condition)
        return self._trunk(self.input(h))

    def _trunk(self, h: Tensor) -> Tensor:
        for block in self.blocks:
            h = h + block(functional.relu(h))
        out: Tensor = self.output(functional.relu(h))
        return out

    def noise_bias(self, c_noise: float) -> Tensor:
        """Returns the noise level's part of the first hidden layer ``[W]``, computed once per step for all rows."""
        t = torch.full((1,), c_noise, device=self.input.weight.device)
        bias: Tensor = self.input(self.time(t) + self.project.bias)
        return bias.squeeze(0)

    def condition_bias(self, condition: Tensor | None) -> Tensor | None:
        """Returns the conditions' part of the first hidden layer ``[B, W]``, computed once per chunk of rows."""
        if self.condition is None or condition is None:
            return None
        return functional.linear(condition, self.input.weight @ self.condition.weight)

    def input_weight(self) -> Tensor:
        """Returns the product ``[D, W]`` of the two linear maps before the first activation."""
        return (self.input.weight @ self.project.weight).t().contiguous()

    def forward_folded(self, x: Tensor, weight: Tensor, noise_bias: Tensor, condition_bias: Tensor | None) -> Tensor:
        """Computes F for rows of one noise level, as sampling needs it; the result equals :meth:`forward`.

        Args:
            x: Rows scaled by c_in, ``[B, D]``.
            weight: Result of :meth:`input_weight`.
            noise_bias: Result of :meth:`noise_bias`.
            condition_bias: Result of :meth:`condition_bias`.

        Returns:
            F, ``[B, D]``.
        """
        h = torch.addmm(noise_bias, x, weight)
        if condition_bias is not None:
            h += condition_bias
        active = torch.empty_like(h)
        for block in self.blocks:
            assert isinstance(block, nn.Linear)
            torch.clamp_min(h, 0, out=active)
            h += block.bias
            h.addmm_(active, block.weight.t())
        return torch.addmm(self.output.bias, h.clamp_min_(0), self.output.weight.t())
