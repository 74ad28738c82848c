"""Helpers of the formats of frames: archives of one episode, checks, and folders that appear complete or not at all."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from synth_replay.checkpoint import temporary_path
from synth_replay.datasets.archives import Archive
from synth_replay.datasets.atomic_files import followed, publish, reading, remove, require_free, sweep, writing
from synth_replay.datasets.json_values import listed
from synth_replay.datasets.pixels.dataset import located
from synth_replay.datasets.pixels.episode import PixelEpisode
from synth_replay.errors import DatasetError, DatasetFormatError, InvalidTransitionsError, SpecMismatchError
from synth_replay.safe_paths import plain_file
from synth_replay.spaces import Array

Arrays = dict[str, Array]

_save: Any = np.savez_compressed  # NumPy's own type hints reject named arrays


def find_archives(folder: Path, pattern: re.Pattern[str], example: str) -> list[tuple[Path, re.Match[str]]]:
    """Finds the episode files of a folder.

    Args:
        folder: Folder of the files.
        pattern: Pattern that the name of each file must match.
        example: A name that matches, for errors.

    Returns:
        Each file with the match of its name.

    Raises:
        DatasetError: If the folder does not exist.
        DatasetFormatError: If there are no files, a name does not match, or a file is not a complete archive.
    """
    if not folder.is_dir():
        raise DatasetError(f"{folder} is no folder: give the folder that holds one file per episode.")
    paths = [path for path in sorted(folder.iterdir()) if path.suffix in (".npz", ".npy")]
    if not paths:
        raise DatasetFormatError(f"{folder} holds no episodes: expected files such as {example}.")
    for path in paths:
        if not zipfile.is_zipfile(plain_file(folder, path.name, DatasetFormatError)):
            raise DatasetFormatError(f"{path} is damaged or cut short. Copy or download it again, or delete it.")
    matches = [(path, pattern.fullmatch(path.name)) for path in paths]
    if strange := [path.name for path, match in matches if match is None]:
        raise DatasetFormatError(f"{folder} holds files that are not named like {example}: {strange[:3]}. Move them.")
    return [(path, match) for path, match in matches if match is not None]


def load_arrays(path: Path, needed: Iterable[str], optional: Iterable[str] = ()) -> Arrays:
    """Reads arrays of an archive; a pickle in it is never loaded.

    Args:
        path: The archive.
        needed: Names of the arrays that must be there.
        optional: Names of the arrays that may be missing.

    Raises:
        DatasetFormatError: If the file is damaged or a needed array is missing.
    """
    with reading(path), Archive(path) as archive:
        names = archive.names()
        if missing := sorted(set(needed) - set(names)):
            raise DatasetFormatError(f"{path} lacks {', '.join(missing)}; it holds {listed(names)}.")
        return {name: archive.read(name) for name in (*needed, *optional) if name in names}


def require_length(path: Path, arrays: Mapping[str, Array], lengths: Mapping[str, int]) -> None:
    """Checks the number of rows of each array.

    Args:
        path: File to name in errors.
        arrays: Arrays of one episode by name.
        lengths: Number of rows that each array must have by the name of the file.

    Raises:
        InvalidTransitionsError: If an array has another number of rows.
    """
    found = {name: array.shape[0] if array.ndim else 0 for name, array in arrays.items()}
    needed = {name: lengths[name] for name in found}
    if found != needed:
        raise InvalidTransitionsError(
            f"{path}: the episode was cut short or its arrays do not belong together: rows are {found}, by its name "
            f"they must be {needed}. Copy or download it again, or delete it."
        )


def require_layout(place: Path, shape: tuple[int, ...], size: int, channels_first: bool) -> None:
    """Checks the shape of a stored frame.

    Args:
        place: File to name in errors.
        shape: Shape of the frame.
        size: Required height and width.
        channels_first: Whether the format stores ``(C, H, W)`` instead of ``(H, W, C)``.

    Raises:
        DatasetFormatError: If the channels are at the wrong end, or the frame has another size.
    """
    expected = (3, size, size) if channels_first else (size, size, 3)
    if shape == expected:
        return
    right, wrong = (0, 2) if channels_first else (2, 0)
    if len(shape) == 3 and shape[right] != 3 and shape[wrong] == 3:
        remedy = "the channels are at the wrong end, so transpose the frames and write them again."
    elif len(shape) == 3 and shape[right] == 3 and shape[1] == shape[wrong]:
        remedy = f"open it with size={shape[1]} if that is meant."
    else:
        remedy = "convert the frames to square RGB and write them again."
    raise DatasetFormatError(f"{place}: frames have the shape {shape}, expected is {expected}: {remedy}")


@contextmanager
def whole_output(path: Path) -> Iterator[Path]:
    """Yields a temporary path to write to; it is renamed to ``path`` on a clean exit and removed otherwise.

    Raises:
        DatasetExistsError: If ``path`` holds something.
        DatasetWriteError: If the disk is full or not writable.
    """
    require_free(path)
    path = followed(path)
    partial = temporary_path(path)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        sweep(path)
    try:
        yield partial
        with writing(path):
            require_free(path)
            publish(partial, path)
    finally:
        remove(partial)


def write_archives(
    folder: Path, episodes: Iterable[PixelEpisode], archive: Callable[[int, PixelEpisode], tuple[str, Arrays]]
) -> int:
    """Writes one archive per episode; the folder appears complete or not at all.

    Args:
        folder: Folder to make; must not hold anything.
        episodes: Episodes, written one at a time.
        archive: Returns the file name and the arrays of an episode, given its number and the episode.

    Returns:
        Number of transitions.

    Raises:
        DatasetExistsError: If the folder holds something.
        DatasetWriteError: If the disk is full or not writable.
    """
    rows = 0
    with whole_output(folder) as partial:
        with writing(folder):
            partial.mkdir()
        for number, episode in enumerate(episodes):
            name, arrays = archive(number, episode)
            with writing(folder):
                _save(partial / name, **arrays)
            rows += len(episode)
    return rows


def checked_episodes(episodes: Iterable[PixelEpisode], check: Callable[[PixelEpisode], None]) -> Iterator[PixelEpisode]:
    """Passes on episodes, and checks that one dataset can hold them.

    Args:
        episodes: At least one episode.
        check: Raises an error if an episode does not fit the format.

    Raises:
        DatasetError: If there are no episodes.
        SpecMismatchError: If frames or actions differ in shape or kind from those of the first episode.
    """
    first: dict[str, object] | None = None
    for number, episode in enumerate(episodes):
        frames, actions = episode.frames.shape[1:], (episode.actions.dtype.name, episode.actions.shape[1:])
        kind: dict[str, object] = {"frames": frames, "actions": actions}
        first = kind if first is None else first
        with located(f"Episode {number}"):
            if frames[0] != 3 or frames[1] != frames[2]:
                raise SpecMismatchError(f"frames must be square and RGB for this format; they are {frames}.")
            if kind != first:
                raise SpecMismatchError(f"it has {kind}, the first one {first}. Write one dataset per environment.")
            check(episode)
        yield episode
    if first is None:
        raise DatasetError("There are no episodes to write: nothing was kept.")


def all_frames(episode: PixelEpisode) -> Array:
    """Returns ``[T + 1, C, H, W]``; a missing frame after a termination is replaced by the last frame."""
    frames: Array = episode.frames
    return frames if len(frames) > len(episode) else np.concatenate([frames, frames[-1:]])
