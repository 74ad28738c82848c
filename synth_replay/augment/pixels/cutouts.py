"""Augmentations that cover part of the picture: cutout, colour cutout."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from synth_replay.augment.pixels.draws import check_setting, per_row, uniform
from synth_replay.errors import ConfigError


@dataclass(frozen=True)
class Cutout:
    """Blackens one rectangle (RAD, Laskin et al. 2020: sides of 10 to 30 of 84 pixels).

    Attributes:
        low: Shortest side as a share of the frame's side.
        high: Longest side as a share of the frame's side.
    """

    low: float = 0.12
    high: float = 0.36

    def __post_init__(self) -> None:
        check_setting(f"{type(self).__name__}.low", self.low, 0, 1)
        check_setting(f"{type(self).__name__}.high", self.high, 0, 1)
        if self.low > self.high:
            raise ConfigError(f"{type(self).__name__} has low {self.low} above high {self.high}; swap them.")

    def __call__(self, frames: Tensor, rng: torch.Generator) -> Tensor:
        """Covers part of frames ``[B, F, C, H, W]``."""
        height, width = frames.shape[-2:]
        box = self._side(frames, rng, height)[:, :, None] * self._side(frames, rng, width)[:, None, :]
        return frames.lerp_(per_row(self._colour(frames, rng)), box[:, None, None])

    def _side(self, frames: Tensor, rng: torch.Generator, pixels: int) -> Tensor:
        """Returns a mask ``[B, pixels]`` along one axis: 1 inside the rectangle, 0 outside."""
        length = (uniform(frames, rng, self.low, self.high) * pixels).round()
        start = (uniform(frames, rng, 0, 1) * (pixels - length + 1)).floor()
        where = torch.arange(pixels, device=frames.device)
        return ((where >= start) & (where < start + length)).float()

    def _colour(self, frames: Tensor, rng: torch.Generator) -> Tensor:  # noqa: ARG002 - for subclasses
        return frames.new_zeros(len(frames), frames.shape[2])


@dataclass(frozen=True)
class ColourCutout(Cutout):
    """Paints one rectangle in a random colour (RAD's random colour cutout)."""

    def _colour(self, frames: Tensor, rng: torch.Generator) -> Tensor:
        return uniform(frames, rng, 0, 1, count=frames.shape[2])
