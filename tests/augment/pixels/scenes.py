"""Frames to augment, and a look at what comes out."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch

from synth_replay.augment import PIXEL_AUGMENTATIONS, Flip, Grayscale, PixelAugmenter

GOLDEN = Path(__file__).with_name("golden.npz")
ROWS = 3


def noise_frames(rows=4, frames=6, channels=3, height=20, width=28, seed=0):
    """Float frames in [0, 1], each pixel of its own."""
    return torch.rand(rows, frames, channels, height, width, generator=torch.Generator().manual_seed(seed))


def cheetah():
    """Observations and next observations uint8 ``[ROWS, 9, 84, 84]``: one stack of dm_control's cheetah, repeated."""
    frames = np.load(GOLDEN)["frames"].transpose(0, 3, 1, 2)
    pair = frames[:3].reshape(1, 9, 84, 84), frames[1:].reshape(1, 9, 84, 84)
    return tuple(stack.repeat(ROWS, axis=0) for stack in pair)


def augmented_cheetah():
    """What each augmentation makes of it; the two that only sometimes act always do."""
    wanted = {**{name: name for name in PIXEL_AUGMENTATIONS}, "flip": [Flip(1.0)], "grayscale": [Grayscale(1.0)]}
    return {name: PixelAugmenter(what, seed=7)(*cheetah()) for name, what in wanted.items()}


def thumbnails():
    """The first frame and the last next frame of each, averaged over 7x7 pixels: uint8 ``[ROWS, 6, 12, 12]``."""
    ends = {n: np.concatenate([o[:, :3], x[:, -3:]], 1) for n, (o, x) in augmented_cheetah().items()}
    return {n: np.rint(e.reshape(ROWS, 6, 12, 7, 12, 7).mean((3, 5))).astype(np.uint8) for n, e in ends.items()}


def picture():
    """One line for each augmentation: for each row its first frame and its last next frame."""
    ends = [(o[:, :3], x[:, -3:]) for o, x in [cheetah(), *augmented_cheetah().values()]]
    lines = [np.concatenate([half[row] for row in range(ROWS) for half in pair], axis=2) for pair in ends]
    return np.concatenate(lines, axis=1).transpose(1, 2, 0)


if __name__ == "__main__":  # python -m tests.augment.pixels.scenes look.png [pin]
    from PIL import Image

    Image.fromarray(picture()).save(sys.argv[1])
    if sys.argv[2:] == ["pin"]:
        np.savez_compressed(GOLDEN, frames=np.load(GOLDEN)["frames"], **thumbnails())
