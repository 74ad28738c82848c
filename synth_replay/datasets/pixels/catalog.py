"""Which format of frames is which, and the function that opens any of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from synth_replay.datasets.files import reading
from synth_replay.datasets.hdf5 import SIGNATURE, holds_frames
from synth_replay.datasets.pixels.dataset import PixelDataset
from synth_replay.datasets.pixels.files import load_arrays
from synth_replay.datasets.pixels.offline_procgen import OfflineProcgenDataset
from synth_replay.datasets.pixels.vd4rl import VD4rlNpzDataset
from synth_replay.datasets.pixels.vd4rl_hdf5 import SUFFIXES, VD4rlHdf5Dataset
from synth_replay.errors import DatasetError, NotPixelsError

PIXEL_FORMATS: dict[str, str] = {
    "vd4rl-npz": "V-D4RL's 64 px folder of npz files",
    "vd4rl-hdf5": "V-D4RL's 84 px HDF5, a file or a folder of them",
    "offline-procgen": "Offline Procgen's folder of episode files",
}


def open_pixels(
    path: str | Path, *, format: str | None = None, size: int | None = None, game: str | None = None
) -> PixelDataset:
    """Opens a dataset of frames.

    Args:
        path: File or folder.
        format: A key of :data:`PIXEL_FORMATS`; None looks at the content.
        size: Height and width of the frames; None for the format's own.
        game: Procgen's name of the game, for ``offline-procgen``; None looks for it in the path.

    Raises:
        DatasetError: If the path does not exist, or the format or game is not known.
        NotPixelsError: If it is no dataset of frames.
        DatasetFormatError: If it is damaged, or frames have another size.
    """
    path = Path(path)
    name = detect_pixels(path) if format is None else format
    sized: dict[str, Any] = {} if size is None else {"size": size}
    if name == "offline-procgen":
        return OfflineProcgenDataset(path, game, **sized)
    if name == "vd4rl-npz":
        return VD4rlNpzDataset(path, **sized)
    if name == "vd4rl-hdf5":
        return VD4rlHdf5Dataset(path, **sized)
    raise DatasetError(f"Unknown format {name!r} of frames; known are {', '.join(PIXEL_FORMATS)}.")


def find_pixels(path: str | Path) -> PixelDataset | None:
    """Opens what may be a dataset of frames; None if there is nothing at ``path``, or something without frames.

    Raises:
        DatasetFormatError: If it is one, and damaged.
    """
    if not Path(path).exists():
        return None
    try:
        return open_pixels(path)
    except NotPixelsError:
        return None


def detect_pixels(path: str | Path) -> str:
    """The format of a dataset of frames, from its content.

    Raises:
        DatasetError: If there is nothing at ``path``.
        NotPixelsError: If it is no dataset of frames.
        DatasetFormatError: If it is damaged.
    """
    path = Path(path)
    if not path.exists():
        raise DatasetError(f"{path} does not exist.")
    if path.is_file():
        with reading(path), path.open("rb") as file:
            found = file.read(8) == SIGNATURE
        with reading(path):
            found = found and holds_frames(path)
        if found:
            return "vd4rl-hdf5"
    else:
        files = sorted(path.iterdir())
        if any(file.suffix in SUFFIXES for file in files):
            return "vd4rl-hdf5"
        if archive := next((file for file in files if file.suffix in (".npz", ".npy")), None):
            return _detect_archive(archive)
    raise NotPixelsError(f"{path} is no dataset of frames; known are {', '.join(PIXEL_FORMATS.values())}.")


def _detect_archive(file: Path) -> str:
    held = load_arrays(file, (), ("is_first", "dones"))
    for name, format in (("is_first", "vd4rl-npz"), ("dones", "offline-procgen")):
        if name in held:
            return format
    raise NotPixelsError(f"{file} holds an episode neither of V-D4RL nor of Offline Procgen.")
