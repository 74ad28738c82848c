"""Parts that all augmentations share: their type, their random numbers and the check of their settings."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from synth_replay.errors import ConfigError

#: A function of frames ``[B, F, C, H, W]`` in [0, 1], which it may overwrite, and a CPU generator; returns frames of
#: the same shape. F counts all frames of a row, those of the observation and of the next observation, so one draw per
#: row applies to all of them. The caller clips the result to [0, 1].
Augmentation = Callable[[Tensor, torch.Generator], Tensor]

LUMA = (0.299, 0.587, 0.114)


def uniform(frames: Tensor, rng: torch.Generator, low: float, high: float, count: int = 1) -> Tensor:
    """Draws ``[B, count]`` numbers from ``U(low, high)``, on the CPU, so that the device does not change them."""
    return (low + (high - low) * torch.rand(len(frames), count, generator=rng)).to(frames.device)


def chosen(frames: Tensor, rng: torch.Generator, probability: float) -> Tensor:
    """Draws 1 for rows that change and 0 for the others, in a shape that broadcasts over frames and pixels."""
    return per_row((uniform(frames, rng, 0, 1) < probability).float())


def luma(frames: Tensor) -> Tensor:
    """Computes the brightness ``[..., 1, H, W]`` of frames ``[..., C, H, W]`` (ITU-R BT.601; C is 1 or 3)."""
    if frames.shape[-3] == 1:
        return frames
    red, green, blue = frames.unbind(-3)
    return (LUMA[0] * red).add_(green, alpha=LUMA[1]).add_(blue, alpha=LUMA[2]).unsqueeze(-3)


def per_row(values: Tensor) -> Tensor:
    """Reshapes numbers ``[B, C]`` so that they broadcast over frames and pixels."""
    return values[:, None, :, None, None]


def check_setting(name: str, value: float, low: float, high: float) -> None:
    """Checks that a setting lies in its range.

    Raises:
        ConfigError: If the value lies outside ``[low, high]``.
    """
    if not low <= value <= high:
        raise ConfigError(f"{name} is {value}; it must lie in [{low:g}, {high:g}].")
