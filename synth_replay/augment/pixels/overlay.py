"""Background overlay: blends frames with another picture."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from synth_replay.augment.backgrounds import (
    BACKGROUND_PATTERNS,
    Pictures,
    background_files,
    load_backgrounds,
    procedural_backgrounds,
)
from synth_replay.augment.pixels.draws import check_setting, luma
from synth_replay.errors import ConfigError, SpecMismatchError


class BackgroundOverlay:
    """Blends all frames of a row with one random picture (SVEA's overlay, Hansen et al. 2021).

    Args:
        backgrounds: A folder of images or videos, pictures of the frames' size as uint8 ``[N, H, W, 3]``, or None for
            procedural ones. Folders are read, and pictures drawn, at the first call, which sets their size.
        alpha: Weight of the picture in [0, 1]; the frame has the rest.
        limit: Number of procedural pictures, or most pictures to read.
        seed: Seed of the procedural pictures; use another one for evaluation.
        patterns: Patterns of the procedural pictures, some of :data:`~synth_replay.augment.BACKGROUND_PATTERNS`.

    Raises:
        ConfigError: If pictures have another shape or dtype, or a setting is out of range.
        DatasetError: If the folder has no images and no videos.
    """

    def __init__(
        self,
        backgrounds: str | os.PathLike[str] | Pictures | None = None,
        alpha: float = 0.5,
        limit: int = 256,
        seed: int = 0,
        patterns: Sequence[str] = BACKGROUND_PATTERNS,
    ) -> None:
        check_setting("BackgroundOverlay.alpha", alpha, 0, 1)
        check_setting("BackgroundOverlay.limit", limit, 1, float("inf"))
        check_setting("BackgroundOverlay.seed", seed, 0, float("inf"))
        self._source = _checked(backgrounds)
        self.alpha, self.limit, self.seed, self.patterns = alpha, limit, seed, patterns
        self._pictures: Tensor | None = None

    def __call__(self, frames: Tensor, rng: torch.Generator) -> Tensor:
        """Blends frames ``[B, F, C, H, W]``.

        Raises:
            SpecMismatchError: If the pictures given have another size than the frames.
            DatasetError: If a file cannot be read.
        """
        pictures = self._at_size(frames.shape[-2], frames.shape[-1])
        chosen = pictures.index_select(0, torch.randint(len(pictures), (len(frames),), generator=rng))
        behind = chosen.to(frames.device).float().div_(255)
        if frames.shape[2] == 1:
            behind = luma(behind)
        return frames.lerp_(behind[:, None], self.alpha)

    def _at_size(self, height: int, width: int) -> Tensor:
        """Returns the pictures as uint8 ``[N, 3, height, width]``."""
        if self._pictures is None or self._pictures.shape[2:] != (height, width):
            self._pictures = torch.from_numpy(self._make(height, width)).permute(0, 3, 1, 2).contiguous()
        return self._pictures

    def _make(self, height: int, width: int) -> Pictures:
        if self._source is None:
            return procedural_backgrounds(self.limit, height, width, self.seed, self.patterns)
        if isinstance(self._source, Path):
            return load_backgrounds(self._source, height, width, self.limit)
        if self._source.shape[1:3] != (height, width):
            size = "x".join(map(str, self._source.shape[1:3]))
            raise SpecMismatchError(f"Backgrounds are {size}, frames {height}x{width}; scale the backgrounds.")
        return self._source[: self.limit]


def _checked(backgrounds: str | os.PathLike[str] | Pictures | None) -> Path | Pictures | None:
    if backgrounds is None:
        return None
    if isinstance(backgrounds, (str, os.PathLike)):
        folder = Path(backgrounds)
        background_files(folder)
        return folder
    array = np.asarray(backgrounds)
    if array.dtype != np.uint8 or array.ndim != 4 or array.shape[3] != 3 or 0 in array.shape:
        raise ConfigError(f"Backgrounds must be uint8 [N, H, W, 3], not {array.dtype} {list(array.shape)}.")
    return array.copy()
