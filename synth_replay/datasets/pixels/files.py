"""Files of episodes: one archive each, a folder that appears whole or not at all."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from synth_replay.datasets.files import partial_path, publish, reading, remove, require_free, writing
from synth_replay.datasets.pixels.dataset import located
from synth_replay.datasets.pixels.episode import PixelEpisode
from synth_replay.errors import DatasetError, DatasetFormatError, InvalidTransitionsError, SpecMismatchError
from synth_replay.spaces import Array

Arrays = dict[str, Array]

_save: Any = np.savez_compressed  # its own types take every named array for an option


def find_archives(folder: Path, pattern: re.Pattern[str], example: str) -> list[tuple[Path, re.Match[str]]]:
    """The episode files of a folder, none of them broken off.

    Args:
        folder: Where the files lie.
        pattern: What the name of each must match.
        example: Such a name, for errors.

    Returns:
        Each file with the match of its name.

    Raises:
        DatasetError: If the folder does not exist.
        DatasetFormatError: If there are no files, one has another kind of name, or one is no whole archive.
    """
    if not folder.is_dir():
        raise DatasetError(f"{folder} is no folder: give the folder that holds one file per episode.")
    paths = [path for path in sorted(folder.iterdir()) if path.suffix in (".npz", ".npy")]
    if not paths:
        raise DatasetFormatError(f"{folder} holds no episodes: expected files such as {example}.")
    for path in paths:
        if not zipfile.is_zipfile(path):
            raise DatasetFormatError(f"{path} is damaged or cut short. Copy or download it again, or delete it.")
    matches = [(path, pattern.fullmatch(path.name)) for path in paths]
    if strange := [path.name for path, match in matches if match is None]:
        raise DatasetFormatError(f"{folder} holds files that are not named like {example}: {strange[:3]}. Move them.")
    return [(path, match) for path, match in matches if match is not None]


def load_arrays(path: Path, needed: Iterable[str], optional: Iterable[str] = ()) -> Arrays:
    """Arrays of one archive; a pickle in it is never loaded.

    Raises:
        DatasetFormatError: If the file is damaged or an array is missing.
    """
    with reading(path), path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        if missing := sorted(set(needed) - set(archive.files)):
            raise DatasetFormatError(f"{path} lacks {', '.join(missing)}; it holds {', '.join(archive.files)}.")
        return {name: archive[name] for name in (*needed, *optional) if name in archive.files}


def require_length(path: Path, arrays: Mapping[str, Array], lengths: Mapping[str, int]) -> None:
    """Checks the number of rows of each array.

    Args:
        path: Named in errors.
        arrays: Of one episode.
        lengths: The rows that each needs, as the file's name says.

    Raises:
        InvalidTransitionsError: If one has another number.
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

    Raises:
        DatasetFormatError: If the channels are at the wrong end, or the frame is of another size.
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
    """A place to build ``path`` in; on a clean exit it gets that name, otherwise nothing is left.

    Raises:
        DatasetExistsError: If ``path`` holds something.
        DatasetWriteError: If the disk refuses.
    """
    require_free(path)
    partial = partial_path(path)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        remove(partial)
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
    """Writes one archive per episode, and the folder whole or not at all.

    Args:
        folder: Made; must not hold anything.
        episodes: Written one after the other.
        archive: Name and arrays of the file of an episode with this number.

    Returns:
        Number of transitions.
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


def alike(episodes: Iterable[PixelEpisode], check: Callable[[PixelEpisode], None]) -> Iterator[PixelEpisode]:
    """Passes on episodes that can lie in one dataset.

    Args:
        episodes: At least one.
        check: What the format asks of each.

    Raises:
        DatasetError: If there are none.
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
    """``[T + 1, C, H, W]``; where the frame after a termination is missing, the last one stands in for it."""
    frames: Array = episode.frames
    return frames if len(frames) > len(episode) else np.concatenate([frames, frames[-1:]])
