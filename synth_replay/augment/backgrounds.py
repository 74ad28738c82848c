"""Background pictures for frames: generated from a seed, or read from a folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synth_replay.errors import ConfigError, DatasetError, MissingExtraError

Pictures = NDArray[np.uint8]
_Floats = NDArray[np.float64]

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp"})
#: Names of the patterns that :func:`procedural_backgrounds` draws.
BACKGROUND_PATTERNS = ("gradient", "noise", "checkers", "stripes")
VIDEO_SUFFIXES = frozenset({".mp4", ".avi", ".mov", ".mkv", ".webm"})


def procedural_backgrounds(
    count: int, height: int, width: int, seed: int, patterns: Sequence[str] = BACKGROUND_PATTERNS
) -> Pictures:
    """Draws gradients, noise at several scales, checkers and stripes, in turn.

    Picture i depends on the seed and on i alone: a larger set begins with the pictures of a smaller one, and another
    size shows the same picture. Use different seeds for training and evaluation; otherwise the evaluation shows
    backgrounds seen in training.

    Args:
        count: Number of pictures, at least 1.
        height: Height of a picture in pixels.
        width: Width of a picture in pixels.
        seed: Seed of the pictures, at least 0.
        patterns: Patterns that take turns, some of :data:`BACKGROUND_PATTERNS`.

    Returns:
        uint8 ``[count, height, width, 3]``.

    Raises:
        ConfigError: If a count or size is below 1, the seed is negative, or a pattern is unknown.
    """
    _check_size(count, height, width)
    if not patterns or not set(patterns) <= set(BACKGROUND_PATTERNS):
        raise ConfigError(f"patterns are some of {', '.join(BACKGROUND_PATTERNS)}; got {list(patterns)}.")
    if seed < 0:
        raise ConfigError(f"The seed of backgrounds is {seed}; it must not be negative.")
    pictures = np.empty((count, height, width, 3), np.uint8)
    for number, picture in enumerate(pictures):
        rng = np.random.default_rng([seed, number])
        first, second = rng.random((2, 3))
        share = _DRAWN_BY[patterns[number % len(patterns)]](_pixel_centres(height), _pixel_centres(width), rng)
        picture[:] = np.rint(255 * (first + (second - first) * share))
    return pictures


def background_files(folder: str | Path) -> list[Path]:
    """Lists the images and videos of a folder, sorted by name.

    A subfolder counts as a video stored as separate frames (as in DAVIS); its first image represents it.

    Args:
        folder: Folder to search; files of other kinds are ignored.

    Raises:
        DatasetError: If the path is not a folder, or has no image and no video.
    """
    root = Path(folder)
    if not root.is_dir():
        raise DatasetError(f"{root} is no folder; backgrounds need a folder of images or videos.")
    entries = (_first_image(entry) if entry.is_dir() else entry for entry in sorted(root.iterdir()))
    files = [e for e in entries if e is not None and e.suffix.lower() in IMAGE_SUFFIXES | VIDEO_SUFFIXES]
    if not files:
        known = ", ".join(sorted(IMAGE_SUFFIXES | VIDEO_SUFFIXES))
        raise DatasetError(f"{root} has no image and no video; put some of these in it: {known}.")
    return files


def load_backgrounds(folder: str | Path, height: int, width: int, limit: int = 256) -> Pictures:
    """Reads the first pictures of a folder: images, and the first frame of each video.

    Pictures are scaled to cover the frame and cropped at the centre, so nothing is stretched.

    Args:
        folder: Folder of images and videos, see :func:`background_files`.
        height: Height of a picture in pixels.
        width: Width of a picture in pixels.
        limit: Most pictures to read, in the order of their names; it bounds the memory.

    Returns:
        uint8 ``[count, height, width, 3]`` with ``count <= limit``.

    Raises:
        ConfigError: If the limit or a size is below 1.
        DatasetError: If the folder has no pictures, or a file cannot be read.
        MissingExtraError: If Pillow, or imageio[ffmpeg] for videos, is not installed.
    """
    _check_size(limit, height, width)
    pictures = [_read(file, height, width) for file in background_files(folder)[:limit]]
    return np.stack(pictures)


def _check_size(count: int, height: int, width: int) -> None:
    if min(count, height, width) < 1:
        raise ConfigError(f"Backgrounds need a number and a size of at least 1, not {count} of {height}x{width}.")


def _first_image(folder: Path) -> Path | None:
    return min((f for f in folder.iterdir() if f.suffix.lower() in IMAGE_SUFFIXES), default=None)


def _read(file: Path, height: int, width: int) -> Pictures:
    image, fit = _load("PIL.Image"), _load("PIL.ImageOps").fit
    try:
        if file.suffix.lower() in VIDEO_SUFFIXES:
            _load("imageio_ffmpeg")  # without it imageio falls back to decoders of still pictures
            first = image.fromarray(_load("imageio.v3").imread(file, index=0, plugin="FFMPEG")).convert("RGB")
        else:
            with image.open(file) as opened:
                first = opened.convert("RGB")
        return np.asarray(fit(first, (width, height)), np.uint8)
    except MissingExtraError:
        raise
    except Exception as error:  # every decoder raises its own types
        raise DatasetError(f"Cannot read the background {file}: {error}. Repair it or take it out.") from error


def _load(module: str) -> Any:
    try:
        return import_module(module)
    except ImportError as error:
        package = {"PIL": "pillow", "imageio_ffmpeg": "imageio-ffmpeg"}.get(name := module.partition(".")[0], name)
        raise MissingExtraError(f'{package} is not installed: pip install "synth-replay[pixels]"') from error


def _pixel_centres(pixels: int) -> _Floats:
    return (np.arange(pixels) + 0.5) / pixels


def _gradient(y: _Floats, x: _Floats, rng: np.random.Generator) -> _Floats:
    angle = rng.uniform(0, 2 * np.pi)
    slope = np.sin(angle) * y[:, None] + np.cos(angle) * x
    share: _Floats = (slope - slope.min()) / max(np.ptp(slope), 1e-9)
    return share[..., None]


def _noise(y: _Floats, x: _Floats, rng: np.random.Generator) -> _Floats:
    total = np.zeros((len(y), len(x), 3))
    for cells in (2, 4, 8, 16, 32):
        grid = 1.5 * (rng.random((cells + 1, cells + 1, 3)) - 0.5) / np.sqrt(cells)
        total += np.einsum("yi,ijc,xj->yxc", _hats(y, cells), grid, _hats(x, cells), optimize=True)
    share: _Floats = np.clip(0.5 + total, 0, 1)
    return share


def _hats(positions: _Floats, cells: int) -> _Floats:
    """Returns the weights ``[positions, nodes]`` of linear interpolation on a regular grid."""
    hats: _Floats = np.maximum(1 - np.abs(positions[:, None] * cells - np.arange(cells + 1)), 0)
    return hats


def _checkers(y: _Floats, x: _Floats, rng: np.random.Generator) -> _Floats:
    cells, (shift_y, shift_x) = rng.uniform(2, 12), rng.random(2)
    parity: _Floats = (np.floor(y * cells + shift_y)[:, None] + np.floor(x * cells + shift_x)) % 2
    return parity[..., None]


def _stripes(y: _Floats, x: _Floats, rng: np.random.Generator) -> _Floats:
    angle, waves, phase = rng.uniform(0, np.pi), rng.uniform(2, 12), rng.uniform(0, 2 * np.pi)
    along = np.sin(angle) * y[:, None] + np.cos(angle) * x
    share: _Floats = 0.5 + 0.5 * np.sin(2 * np.pi * waves * along + phase)
    return share[..., None]


_DRAWN_BY: dict[str, Callable[[_Floats, _Floats, np.random.Generator], _Floats]] = dict(
    zip(BACKGROUND_PATTERNS, (_gradient, _noise, _checkers, _stripes), strict=True)
)
