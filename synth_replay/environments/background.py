"""Background distraction: pictures in place of the sky (Stone et al. 2021, Section 3)."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from synth_replay.augment.backgrounds import Pictures, background_files, load_backgrounds, procedural_backgrounds
from synth_replay.errors import ConfigError

FACE = 192  # pixels of one face of the sky, which spans 90 degrees; a camera sees 45 degrees in 84 pixels
POOL_SEED = 2021  # fixed, so that everybody evaluates on the same procedural pictures
PAN = 2  # pixels by which a still picture moves in a step
_SKYBOX = 2  # mjTEXTURE_SKYBOX


class BackgroundDistraction:
    """Shows one of the first ``count`` pictures of a pool around the scene.

    If a picture comes from a folder of video frames, as in DAVIS 2017, it moves by playing the video back and forth;
    otherwise it pans.

    Args:
        physics: Physics of dm_control; only the texture of the sky is written.
        count: Number of pictures: 4, 8 or 60 in the papers.
        folder: Folder of images, or of folders with the frames of videos, in the order of their names; None draws
            pictures from :data:`POOL_SEED`, which augmentation must therefore not use.
        dynamic: Whether :meth:`move` will be called, so that videos are read.
        floor_alpha: Opacity of the floor: 1 is opaque, less shows the background through it.

    Raises:
        ConfigError: If the model has no sky.
        DatasetError: If the folder has no images.
    """

    def __init__(self, physics: Any, count: int, folder: str | Path | None, dynamic: bool, floor_alpha: float) -> None:
        skies = np.flatnonzero(np.asarray(physics.model.tex_type) == _SKYBOX)
        if not len(skies):
            raise ConfigError("This model has no sky to put a background on; leave 'background' out of kinds.")
        self._physics, self._sky = physics, int(skies[0])
        # A square texture is repeated on all six faces of the sky; a small one is quick to upload.
        physics.model.tex_height[self._sky] = physics.model.tex_width[self._sky] = FACE
        physics.named.model.mat_rgba["grid", "a"] = floor_alpha
        if folder is None:
            self._stills = procedural_backgrounds(count, FACE, FACE, POOL_SEED)
            self._videos: list[Path | None] = [None] * count
        else:
            self._stills = load_backgrounds(folder, FACE, FACE, limit=count)
            parents = [file.parent for file in background_files(folder)[:count]]
            self._videos = [p if dynamic and p != Path(folder) else None for p in parents]

    def draw(self, rng: np.random.Generator) -> None:
        """Draws a picture, and where and in which direction its video starts."""
        number = int(rng.integers(len(self._stills)))
        video = self._videos[number]
        self._frames = self._stills[number, None] if video is None else load_backgrounds(video, FACE, FACE)
        self._position, self._direction = int(rng.integers(len(self._frames))), int(rng.choice([-1, 1]))
        self._shown = False

    def move(self, rng: np.random.Generator) -> None:  # noqa: ARG002
        """Advances the video, or the pan, by one frame."""
        self._position += self._direction
        self._shown = False

    def apply(self) -> None:
        """Uploads the frame as the sky's texture if it has changed."""
        if self._shown:
            return
        model, contexts = self._physics.model, self._physics.contexts
        start = model.tex_adr[self._sky]
        model.tex_data[start : start + 3 * FACE * FACE] = self._frame().ravel()
        with contexts.gl.make_current() as context:
            context.call(import_module("mujoco").mjr_uploadTexture, model.ptr, contexts.mujoco.ptr, self._sky)
        self._shown = True

    def _frame(self) -> Pictures:
        last = len(self._frames) - 1
        if last == 0:
            return np.roll(self._frames[0], PAN * self._position, axis=1)
        frame: Pictures = self._frames[last - abs(self._position % (2 * last) - last)]
        return frame
