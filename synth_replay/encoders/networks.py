"""Convolutions and trunks of the papers' pixel agents, for frames in [0, 255] with channels first."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from synth_replay.errors import ConfigError

Architecture = Literal["drq", "impala"]


class DrQConvolutions(nn.Sequential):
    """Four 3 x 3 convolutions, the first with stride 2 (DrQ-v2, Appendix B; V-D4RL's DrQ+BC).

    Args:
        channels: Number of channels of the stacked frames.
        filters: Number of filters of each convolution.
    """

    def __init__(self, channels: int, filters: int = 32) -> None:
        layers: list[nn.Module] = [Centred()]
        for i in range(4):
            layers += [nn.Conv2d(filters if i else channels, filters, 3, 1 if i else 2), nn.ReLU()]
        super().__init__(*layers, nn.Flatten())


class ImpalaConvolutions(nn.Sequential):
    """Three stages of a convolution, a pooling and two residual blocks (IMPALA, Figure 3; Procgen's standard network).

    Args:
        channels: Number of channels of the stacked frames.
        depths: Number of filters of each stage.
    """

    def __init__(self, channels: int, depths: tuple[int, ...] = (16, 32, 32)) -> None:
        layers: list[nn.Module] = [Centred()]
        for before, depth in zip((channels, *depths), depths, strict=False):
            layers += [nn.Conv2d(before, depth, 3, padding=1), nn.MaxPool2d(3, 2, padding=1)]
            layers += [ResidualBlock(depth), ResidualBlock(depth)]
        super().__init__(*layers, nn.ReLU(), nn.Flatten())


class Centred(nn.Module):
    """Scales frames from [0, 255] to [-0.5, 0.5]."""

    def forward(self, frames: Tensor) -> Tensor:
        """Scales frames ``[n, C, H, W]`` of any dtype."""
        found = frames.to(torch.get_default_dtype()) / 255.0 - 0.5
        return found.contiguous(memory_format=torch.channels_last)  # convolutions are 25 % faster on a CPU


class ResidualBlock(nn.Module):
    """Two convolutions with a residual connection."""

    def __init__(self, depth: int) -> None:
        super().__init__()
        self.depth = depth
        self.first, self.second = (nn.Conv2d(depth, depth, 3, padding=1) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        """Maps ``[n, depth, H, W]`` to the same shape."""
        inner: Tensor = self.second(functional.relu(self.first(functional.relu(x))))
        return x + inner


class Trunk(nn.Sequential):
    """A linear layer, LayerNorm and Tanh, whose outputs in [-1, 1] are the latents (DrQ-v2's trunk).

    Args:
        inputs: Number of outputs of the convolutions.
        size: Number of dimensions of a latent; 50 in DrQ-v2.
    """

    def __init__(self, inputs: int, size: int = 50) -> None:
        super().__init__(nn.Linear(inputs, size), nn.LayerNorm(size), nn.Tanh())


def convolutions(architecture: Architecture, shape: tuple[int, ...]) -> tuple[nn.Module, int]:
    """Creates the convolutions for frames of ``shape`` (channels, height, width).

    Returns:
        The module, and its number of outputs.

    Raises:
        ConfigError: If the architecture is unknown, or the shape is not that of pictures with channels first.
    """
    if architecture not in ("drq", "impala"):
        raise ConfigError(f"architecture is drq or impala; got {architecture!r}.")
    if len(shape) != 3 or min(shape[1:]) < 16:
        raise ConfigError(f"Frames of shape {shape} cannot be encoded: (channels, height, width), 16 pixels or more.")
    made: nn.Module = DrQConvolutions(shape[0]) if architecture == "drq" else ImpalaConvolutions(shape[0])
    with torch.no_grad():
        return made, int(made(torch.zeros(1, *shape)).shape[1])
