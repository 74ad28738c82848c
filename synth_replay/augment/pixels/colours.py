"""Augmentations that change colours: jitter, grayscale, random convolution."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from synth_replay.augment.pixels.draws import check_setting, chosen, luma, per_row, uniform

# YIQ of NTSC: brightness and two axes of the colour plane, in which hue is an angle and saturation a radius
RGB_TO_YIQ = ((0.299, 0.587, 0.114), (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112))


@dataclass(frozen=True)
class ColourJitter:
    """Changes brightness, contrast, saturation and hue, at RAD's magnitudes (Laskin et al. 2020).

    All four together are one affine map of colours per row: hue rotates and saturation scales the colour plane of YIQ,
    and contrast scales about the mean brightness of all frames of the row. Hue by way of HSV costs about 70 times as
    much and is not one map for a whole stack. Single-channel frames change in brightness and contrast only.

    Attributes:
        brightness: Range of the brightness factor, drawn from ``U(1 - brightness, 1 + brightness)``.
        contrast: Range of the contrast factor, drawn from ``U(1 - contrast, 1 + contrast)``.
        saturation: Range of the saturation factor, drawn from ``U(1 - saturation, 1 + saturation)``.
        hue: Largest rotation to either side; 0.5 is half the colour circle.
    """

    brightness: float = 0.4
    contrast: float = 0.4
    saturation: float = 0.4
    hue: float = 0.5

    def __post_init__(self) -> None:
        for name in ("brightness", "contrast", "saturation"):
            check_setting(f"ColourJitter.{name}", getattr(self, name), 0, 1)
        check_setting("ColourJitter.hue", self.hue, 0, 0.5)

    def __call__(self, frames: Tensor, rng: torch.Generator) -> Tensor:
        """Changes the colours of frames ``[B, F, C, H, W]``."""
        brightness, contrast, saturation, turn = uniform(frames, rng, -1, 1, count=4)[..., None].unbind(1)
        factor = (1 + self.brightness * brightness) * (1 + self.contrast * contrast)
        level = luma(frames.mean((1, 3, 4))[..., None, None])[..., 0, 0] * (1 + self.brightness * brightness)
        offset = per_row(-self.contrast * contrast * level)
        if frames.shape[2] == 1:
            return frames.mul_(per_row(factor)).add_(offset)
        matrix = _colour_plane(1 + self.saturation * saturation, 2 * math.pi * self.hue * turn) * factor[..., None]
        return (matrix[:, None] @ frames.flatten(3)).view_as(frames).add_(offset)


def _colour_plane(scale: Tensor, angle: Tensor) -> Tensor:
    """Returns RGB maps ``[B, 3, 3]`` that scale and rotate the colour plane and keep brightness."""
    to_yiq = torch.tensor(RGB_TO_YIQ, device=scale.device)
    change = torch.zeros(len(scale), 3, 3, device=scale.device)
    change[:, 0, 0] = 1
    change[:, 1, 1:] = scale * torch.cat([angle.cos(), -angle.sin()], dim=1)
    change[:, 2, 1:] = scale * torch.cat([angle.sin(), angle.cos()], dim=1)
    result: Tensor = torch.linalg.inv(to_yiq) @ change @ to_yiq
    return result


@dataclass(frozen=True)
class Grayscale:
    """Removes the colour (RAD, Laskin et al. 2020, with its probability).

    Attributes:
        probability: Probability that a row loses its colour.
    """

    probability: float = 0.3

    def __post_init__(self) -> None:
        check_setting("Grayscale.probability", self.probability, 0, 1)

    def __call__(self, frames: Tensor, rng: torch.Generator) -> Tensor:
        """Turns some rows of frames ``[B, F, C, H, W]`` gray."""
        return frames.lerp_(luma(frames), chosen(frames, rng, self.probability))


@dataclass(frozen=True)
class RandomConvolution:
    """Filters with a 3x3 kernel from N(0, 1), then a sigmoid (Lee et al. 2020; as in SVEA, Hansen et al. 2021)."""

    def __call__(self, frames: Tensor, rng: torch.Generator) -> Tensor:
        """Filters frames ``[B, F, C, H, W]``."""
        rows, count, channels, height, width = frames.shape
        kernels = torch.randn(rows * channels, channels, 3, 3, generator=rng).to(frames.device)
        padded = functional.pad(frames.flatten(1, 2), (1, 1, 1, 1), mode="replicate")
        padded = padded.view(rows, count, channels, height + 2, width + 2).transpose(0, 1).flatten(1, 2)
        filtered = functional.conv2d(padded, kernels, groups=rows)  # one group per row gives each row its own kernel
        return filtered.view(count, rows, channels, height, width).transpose(0, 1).sigmoid()
