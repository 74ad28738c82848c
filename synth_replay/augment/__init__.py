"""Explicit data augmentation of states and of pixels, the baselines that the papers compare generation with."""

from synth_replay.augment.backgrounds import (
    BACKGROUND_PATTERNS,
    background_files,
    load_backgrounds,
    procedural_backgrounds,
)
from synth_replay.augment.pixels.augmenter import PixelAugmenter
from synth_replay.augment.pixels.catalogue import PIXEL_AUGMENTATIONS, PIXEL_PRESETS
from synth_replay.augment.pixels.colours import ColourJitter, Grayscale, RandomConvolution
from synth_replay.augment.pixels.cutouts import ColourCutout, Cutout
from synth_replay.augment.pixels.draws import Augmentation
from synth_replay.augment.pixels.geometry import Flip, RandomCrop, RandomShift, Rotation
from synth_replay.augment.pixels.overlay import BackgroundOverlay
from synth_replay.augment.states import (
    STATE_AUGMENTATIONS,
    StateAugmentation,
    additive_noise,
    dynamics_noise,
    multiplicative_noise,
)

__all__ = [
    "BACKGROUND_PATTERNS",
    "PIXEL_AUGMENTATIONS",
    "PIXEL_PRESETS",
    "STATE_AUGMENTATIONS",
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
    "StateAugmentation",
    "additive_noise",
    "background_files",
    "dynamics_noise",
    "load_backgrounds",
    "multiplicative_noise",
    "procedural_backgrounds",
]
