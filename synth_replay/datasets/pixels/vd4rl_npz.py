"""Reader and writer of V-D4RL's 64 px layout: one npz file per episode, as DreamerV2 stores them.

Source: Lu et al. 2023, "Challenges and Opportunities in Offline Reinforcement Learning from Visual Observations".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from synth_replay.datasets.pixels.dataset import PixelDataset, vector_space
from synth_replay.datasets.pixels.episode import PixelEpisode
from synth_replay.datasets.pixels.episode_files import (
    Arrays,
    all_frames,
    checked_episodes,
    find_archives,
    load_arrays,
    require_layout,
    require_length,
    write_archives,
)
from synth_replay.datasets.pixels.vd4rl_rows import action_size, require_vd4rl, vd4rl_columns, vd4rl_episode
from synth_replay.errors import DatasetFormatError

COLUMNS = ("image", "action", "reward", "discount", "is_first", "is_last")
_NAME = re.compile(r".*-(\d+)\.npz")
_EXAMPLE = "20220101T000000-abc123-501.npz"


class VD4rlNpzDataset(PixelDataset):
    """A folder of V-D4RL episodes, ordered by file name.

    Args:
        path: The folder.
        size: Height and width of the frames in pixels.

    Raises:
        DatasetError: If the path is not a folder.
        DatasetFormatError: If it holds no episodes, a file is damaged, or frames have another shape.
    """

    format = "vd4rl-npz"

    def __init__(self, path: str | Path, size: int = 64) -> None:
        path = Path(path)
        found = find_archives(path, _NAME, _EXAMPLE)
        self._files = [file for file, _ in found]
        self._size = size
        first = load_arrays(self._files[0], COLUMNS)
        require_layout(self._files[0], first["image"].shape[1:], size, channels_first=False)
        lengths = [int(match[1]) - 1 for _, match in found]
        if short := [file.name for file, steps in zip(self._files, lengths, strict=True) if steps < 1]:
            raise DatasetFormatError(f"{path}: episodes without a step, such as {short[0]}. Delete these files.")
        action_space = vector_space(action_size(self._files[0], first["action"]))
        super().__init__(path, lengths, (3, size, size), action_space)

    def _read(self, numbers: Sequence[int]) -> Iterator[PixelEpisode]:
        for number in numbers:
            yield self._episode(self._files[number], int(self.lengths[number]) + 1)

    def _episode(self, file: Path, rows: int) -> PixelEpisode:
        arrays = load_arrays(file, COLUMNS, optional=("is_terminal",))
        require_length(file, arrays, dict.fromkeys(arrays, rows))
        require_layout(file, arrays["image"].shape[1:], self._size, channels_first=False)
        for name, place in (("is_first", 0), ("is_last", rows - 1)):
            if (marks := np.flatnonzero(arrays[name]).tolist()) != [place]:
                raise DatasetFormatError(
                    f"{file}: {name} must mark row {place} and no other; it marks {marks[:5] or 'none'}. The episode "
                    "was cut short or joined to another: copy or download it again, or delete it."
                )
        ends = arrays["is_terminal"] if "is_terminal" in arrays else arrays["discount"] == 0  # older files lack it
        return vd4rl_episode(file, arrays["image"].transpose(0, 3, 1, 2), arrays["action"], arrays["reward"], ends[-1])


def write_vd4rl_npz(folder: str | Path, episodes: Iterable[PixelEpisode]) -> int:
    """Writes V-D4RL's 64 px layout (frames may have another size), one episode at a time.

    Level seeds are not stored. If the frame after a termination is missing, the last frame is repeated.

    Args:
        folder: Folder to make; must not hold anything. It appears when the last episode is written.
        episodes: Episodes with square RGB frames and actions ``[T, A]`` in [-1, 1].

    Returns:
        Number of transitions.

    Raises:
        DatasetExistsError: If the folder holds something.
        DatasetError: If there are no episodes.
        SpecMismatchError: If episodes differ from one another, or do not fit the format.
        InvalidTransitionsError: If an action is outside [-1, 1].
        DatasetWriteError: If the disk is full or not writable.
    """
    return write_archives(Path(folder), checked_episodes(episodes, require_vd4rl), _archive)


def _archive(number: int, episode: PixelEpisode) -> tuple[str, Arrays]:
    columns = vd4rl_columns(episode)
    rows = len(columns["action"])
    place = np.arange(rows)
    arrays = columns | {"image": np.ascontiguousarray(all_frames(episode).transpose(0, 2, 3, 1))}
    arrays |= {"is_first": place == 0, "is_last": place == rows - 1, "is_terminal": columns["discount"] == 0}
    return f"00000000T000000-{number:08d}-{rows}.npz", arrays
