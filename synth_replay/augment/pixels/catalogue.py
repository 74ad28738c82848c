"""The ten augmentations by name, and presets of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from synth_replay.augment.backgrounds import Pictures
from synth_replay.augment.pixels.colours import ColourJitter, Grayscale, RandomConvolution
from synth_replay.augment.pixels.cutouts import ColourCutout, Cutout
from synth_replay.augment.pixels.draws import Augmentation
from synth_replay.augment.pixels.geometry import Flip, RandomCrop, RandomShift, Rotation
from synth_replay.augment.pixels.overlay import BackgroundOverlay
from synth_replay.errors import ConfigError

PIXEL_AUGMENTATIONS: dict[str, Callable[[], Augmentation]] = {
    "random_shift": RandomShift,
    "random_crop": RandomCrop,
    "rotation": Rotation,
    "flip": Flip,
    "colour_jitter": ColourJitter,
    "grayscale": Grayscale,
    "cutout": Cutout,
    "colour_cutout": ColourCutout,
    "random_convolution": RandomConvolution,
    "background_overlay": BackgroundOverlay,
}

#: "generalization" has the four augmentations of arXiv 2508.12356, Section 3.2. The paper gives no magnitudes; ours are
#: rotation up to 90 degrees, jitter and cutout as in RAD, and the overlay of SVEA.
PIXEL_PRESETS: dict[str, tuple[str, ...]] = {
    "generalization": ("rotation", "colour_jitter", "colour_cutout", "background_overlay"),
}


def make_augmentations(
    wanted: str | Sequence[str | Augmentation], backgrounds: str | os.PathLike[str] | Pictures | None = None
) -> tuple[Augmentation, ...]:
    """Makes augmentations from a preset, a name, or a sequence of names and ready ones.

    Args:
        wanted: Name of a preset (:data:`PIXEL_PRESETS`) or augmentation (:data:`PIXEL_AUGMENTATIONS`), or a sequence of
            names and callables.
        backgrounds: Pictures for "background_overlay", see :class:`BackgroundOverlay`.

    Raises:
        ConfigError: If a name is unknown, the sequence is empty, or no augmentation uses the backgrounds.
        DatasetError: If the folder has no backgrounds.
    """
    parts = PIXEL_PRESETS.get(wanted, (wanted,)) if isinstance(wanted, str) else tuple(wanted)
    if not parts:
        raise ConfigError("There are no augmentations in the list; name at least one.")
    if backgrounds is not None and "background_overlay" not in parts:
        raise ConfigError("Backgrounds are given but not used: add 'background_overlay' to the augmentations.")
    return tuple(_make(part, backgrounds) for part in parts)


def _make(part: str | Augmentation, backgrounds: str | os.PathLike[str] | Pictures | None) -> Augmentation:
    if part == "background_overlay":
        return BackgroundOverlay(backgrounds)
    if callable(part):
        return part
    if part not in PIXEL_AUGMENTATIONS:
        names = ", ".join([*PIXEL_PRESETS, *PIXEL_AUGMENTATIONS])
        raise ConfigError(f"Unknown pixel augmentation {part!r}; there are {names}.")
    return PIXEL_AUGMENTATIONS[part]()
