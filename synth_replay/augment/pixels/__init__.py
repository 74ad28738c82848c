"""Pixel augmentation of whole frame stacks: ten augmentations and the paper's preset."""

from synth_replay.augment.pixels.augmenter import PixelAugmenter
from synth_replay.augment.pixels.catalogue import PIXEL_AUGMENTATIONS, PIXEL_PRESETS
from synth_replay.augment.pixels.colours import ColourJitter, Grayscale, RandomConvolution
from synth_replay.augment.pixels.cutouts import ColourCutout, Cutout
from synth_replay.augment.pixels.draws import Augmentation
from synth_replay.augment.pixels.geometry import Flip, RandomCrop, RandomShift, Rotation
from synth_replay.augment.pixels.overlay import BackgroundOverlay

__all__ = [
    "PIXEL_AUGMENTATIONS",
    "PIXEL_PRESETS",
    "Augmentation",
    "BackgroundOverlay",
    "ColourCutout",
    "ColourJitter",
    "Cutout",
    "Flip",
    "Grayscale",
    "PixelAugmenter",
    "RandomConvolution",
    "RandomCrop",
    "RandomShift",
    "Rotation",
]
