"""The table of the formats of frames, and the functions that detect and open them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from synth_replay.datasets.atomic_files import dataset_path, reading
from synth_replay.datasets.hdf5 import is_hdf5
from synth_replay.datasets.pixels.dataset import PixelDataset
from synth_replay.datasets.pixels.episode_files import load_arrays
from synth_replay.datasets.pixels.offline_procgen import OfflineProcgenDataset
from synth_replay.datasets.pixels.vd4rl_hdf5 import SUFFIXES, VD4rlHdf5Dataset
from synth_replay.datasets.pixels.vd4rl_npz import VD4rlNpzDataset
from synth_replay.datasets.stored_hdf5 import holds_frames, open_hdf5
from synth_replay.errors import DatasetError, DatasetFormatError, NotPixelsError, UnknownFormatError
from synth_replay.safe_paths import plain_file, shown

PIXEL_FORMATS: dict[str, str] = {
    "vd4rl-npz": "V-D4RL's 64 px folder of npz files",
    "vd4rl-hdf5": "V-D4RL's 84 px HDF5, a file or a folder of them",
    "offline-procgen": "Offline Procgen's folder of episode files",
}
"""Description of each format of frames by its name."""


def open_pixels(
    path: str | Path, *, format: str | None = None, size: int | None = None, game: str | None = None
) -> PixelDataset:
    """Opens a dataset of frames.

    Args:
        path: File or folder.
        format: A key of :data:`PIXEL_FORMATS`; None detects it from the content.
        size: Height and width of the frames in pixels; None takes the format's own.
        game: Procgen's name of the game, for ``offline-procgen``; None looks for it in the path.

    Raises:
        DatasetError: If the path does not exist or the game is unknown.
        UnknownFormatError: If there is no format of that name.
        NotPixelsError: If it is not a dataset of frames.
        DatasetFormatError: If it is damaged, or frames have another size.
    """
    path = dataset_path(path)
    name = detect_pixels(path) if format is None else format
    sized: dict[str, Any] = {} if size is None else {"size": size}
    if name == "offline-procgen":
        return OfflineProcgenDataset(path, game, **sized)
    if name == "vd4rl-npz":
        return VD4rlNpzDataset(path, **sized)
    if name == "vd4rl-hdf5":
        return VD4rlHdf5Dataset(path, **sized)
    raise UnknownFormatError(f"Unknown format {shown(name)} of frames; known are {', '.join(PIXEL_FORMATS)}.")


def find_pixels(path: str | Path) -> PixelDataset | None:
    """Opens a dataset of frames; returns None if ``path`` does not exist or holds no frames.

    Raises:
        DatasetFormatError: If it is a dataset of frames that is damaged.
    """
    if not dataset_path(path).exists():
        return None
    try:
        return open_pixels(path)
    except NotPixelsError:
        return None


def detect_pixels(path: str | Path) -> str:
    """Returns the format of a dataset of frames, detected from its content.

    Raises:
        DatasetError: If ``path`` does not exist.
        NotPixelsError: If it is not a dataset of frames.
        DatasetFormatError: If it is damaged.
    """
    path = dataset_path(path)
    if not path.exists():
        raise DatasetError(f"{path} does not exist.")
    if path.is_file():
        with reading(path):
            found = is_hdf5(path)
        if found and _holds_frames(path):
            return "vd4rl-hdf5"
    elif path.is_dir():
        files = sorted(path.iterdir())
        if any(file.suffix in SUFFIXES for file in files):
            return "vd4rl-hdf5"
        if archive := next((file for file in files if file.suffix in (".npz", ".npy")), None):
            return _detect_archive(archive)
    raise NotPixelsError(f"{path} is no dataset of frames; known are {', '.join(PIXEL_FORMATS.values())}.")


def _holds_frames(path: Path) -> bool:
    with reading(path), open_hdf5(path) as file:
        return holds_frames(file)


def _detect_archive(file: Path) -> str:
    held = load_arrays(plain_file(file.parent, file.name, DatasetFormatError), (), ("is_first", "dones"))
    for name, format in (("is_first", "vd4rl-npz"), ("dones", "offline-procgen")):
        if name in held:
            return format
    raise NotPixelsError(f"{file} holds an episode neither of V-D4RL nor of Offline Procgen.")
