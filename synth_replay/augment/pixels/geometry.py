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
    """Shifts the picture by whole pixels and repeats its border (DrQ-v2, Yarats et al. 2021).

    Attributes:
        pixels: Largest shift along each axis, in pixels.
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
    """Crops a window and scales it to the frame's size.

    RAD (Laskin et al. 2020) crops 84 pixels out of 100. Frames in a buffer already have their final size, so the window
    covers 84 % of each side and is scaled back to the full size.

    Attributes:
        share: Side of the window as a share of the frame's side.
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
    """Rotates the picture about its centre; pixels from outside the frame are black.

    Attributes:
        degrees: Largest angle to either side, in degrees.
    """

    degrees: float = 90.0

    def __post_init__(self) -> None:
        check_setting("Rotation.degrees", self.degrees, 0, 180)

    def __call__(self, frames: Tensor, rng: torch.Generator) -> Tensor:
        """Rotates frames ``[B, F, C, H, W]``."""
        angle = torch.deg2rad(uniform(frames, rng, -self.degrees, self.degrees))
        cosine, sine, zero = angle.cos(), angle.sin(), torch.zeros_like(angle)
        aspect = frames.shape[-2] / frames.shape[-1]  # the grid's units are half heights and half widths, not pixels
        affine = torch.cat([cosine, -sine * aspect, zero, sine / aspect, cosine, zero], dim=1)
        return _resample(frames, affine.view(-1, 2, 3), outside="zeros")


@dataclass(frozen=True)
class Flip:
    """Mirrors left and right; actions stay valid only in tasks that are symmetric.

    Attributes:
        probability: Probability that a row is mirrored.
    """

    probability: float = 0.5

    def __post_init__(self) -> None:
        check_setting("Flip.probability", self.probability, 0, 1)

    def __call__(self, frames: Tensor, rng: torch.Generator) -> Tensor:
        """Mirrors frames ``[B, F, C, H, W]``."""
        return frames.lerp_(frames.flip(-1), chosen(frames, rng, self.probability))


def _resample(frames: Tensor, affine: Tensor, outside: str) -> Tensor:
    """Resamples all frames of a row with one grid, as channels of one picture."""
    flat = frames.flatten(1, 2)
    grid = functional.affine_grid(affine, [len(flat), 1, *flat.shape[2:]], align_corners=False)
    return functional.grid_sample(flat, grid, padding_mode=outside, align_corners=False).view_as(frames)
