"""Augmentations that move pixels: shift, crop, rotation, flip."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from synth_replay.augment.pixels.draws import check_setting, chosen, uniform


@dataclass(frozen=True)
class RandomShift:
    """Moves the picture by whole pixels and repeats its border (DrQ-v2, Yarats et al. 2021).

    Attributes:
        pixels: Largest shift along each axis.
    """

    pixels: int = 4

    def __post_init__(self) -> None:
        check_setting("RandomShift.pixels", self.pixels, 0, math.inf)

    def __call__(self, frames: Tensor, rng: torch.Generator) -> Tensor:
        """Shifts frames ``[B, F, C, H, W]``."""
        height, width = frames.shape[-2:]
        steps = torch.randint(-self.pixels, self.pixels + 1, (len(frames), 2), generator=rng).to(frames.device)
        rows = (torch.arange(height, device=frames.device) + steps[:, :1]).clamp_(0, height - 1)
        columns = (torch.arange(width, device=frames.device) + steps[:, 1:]).clamp_(0, width - 1)
        index = (rows[:, :, None] * width + columns[:, None, :]).flatten(1)[:, None]
        flat = frames.flatten(1, 2).flatten(2)
        return flat.gather(2, index.expand(-1, flat.shape[1], -1)).view_as(frames)


@dataclass(frozen=True)
class RandomCrop:
    """Cuts a window out and scales it to the frame's size.

    RAD (Laskin et al. 2020) crops 84 pixels out of 100. Frames in a buffer have their final size, so the window is
    84 % of each side, and label and shape stay what they were.

    Attributes:
        share: Side of the window as a share of the frame's.
    """

    share: float = 0.84

    def __post_init__(self) -> None:
        check_setting("RandomCrop.share", self.share, 0.01, 1)

    def __call__(self, frames: Tensor, rng: torch.Generator) -> Tensor:
        """Crops frames ``[B, F, C, H, W]``."""
        affine = torch.zeros(len(frames), 2, 3, device=frames.device)
        affine[:, 0, 0] = affine[:, 1, 1] = self.share
        affine[:, :, 2] = uniform(frames, rng, self.share - 1, 1 - self.share, count=2)
        return _resample(frames, affine, outside="border")


@dataclass(frozen=True)
class Rotation:
    """Turns the picture about its centre; corners that come in are black.

    Attributes:
        degrees: Largest angle to either side.
    """

    degrees: float = 90.0

    def __post_init__(self) -> None:
        check_setting("Rotation.degrees", self.degrees, 0, 180)

    def __call__(self, frames: Tensor, rng: torch.Generator) -> Tensor:
        """Turns frames ``[B, F, C, H, W]``."""
        angle = torch.deg2rad(uniform(frames, rng, -self.degrees, self.degrees))
        cosine, sine, zero = angle.cos(), angle.sin(), torch.zeros_like(angle)
        aspect = frames.shape[-2] / frames.shape[-1]  # a grid counts in half heights and half widths, not in pixels
        affine = torch.cat([cosine, -sine * aspect, zero, sine / aspect, cosine, zero], dim=1)
        return _resample(frames, affine.view(-1, 2, 3), outside="zeros")


@dataclass(frozen=True)
class Flip:
    """Mirrors left and right. It keeps a label only where the task has no left and right.

    Attributes:
        probability: Of a row being mirrored.
    """

    probability: float = 0.5

    def __post_init__(self) -> None:
        check_setting("Flip.probability", self.probability, 0, 1)

    def __call__(self, frames: Tensor, rng: torch.Generator) -> Tensor:
        """Mirrors frames ``[B, F, C, H, W]``."""
        return frames.lerp_(frames.flip(-1), chosen(frames, rng, self.probability))


def _resample(frames: Tensor, affine: Tensor, outside: str) -> Tensor:
    """Reads every frame of a row through one grid: the frames are the channels of one picture."""
    flat = frames.flatten(1, 2)
    grid = functional.affine_grid(affine, [len(flat), 1, *flat.shape[2:]], align_corners=False)
    return functional.grid_sample(flat, grid, padding_mode=outside, align_corners=False).view_as(frames)
