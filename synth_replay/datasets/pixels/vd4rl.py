"""V-D4RL's 64 px layout: one npz file per episode, as DreamerV2 keeps them.

Lu et al. 2023, "Challenges and Opportunities in Offline Reinforcement Learning from Visual Observations". Of both of
its layouts, row 0 of an episode is its first frame with a dummy action and reward, and row t holds frame t with the
action and the reward that led to it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from synth_replay.datasets.pixels.dataset import PixelDataset, check_actions, located, vector_space
from synth_replay.datasets.pixels.episode import PixelEpisode
from synth_replay.datasets.pixels.files import (
    Arrays,
    alike,
    all_frames,
    find_archives,
    load_arrays,
    require_layout,
    require_length,
    write_archives,
)
from synth_replay.errors import DatasetFormatError, SpecMismatchError
from synth_replay.spaces import Array

COLUMNS = ("image", "action", "reward", "discount", "is_first", "is_last")
_NAME = re.compile(r".*-(\d+)\.npz")
_EXAMPLE = "20220101T000000-abc123-501.npz"


class VD4rlNpzDataset(PixelDataset):
    """A folder of V-D4RL episodes, in the order of their names.

    Args:
        path: The folder.
        size: Height and width of the frames.

    Raises:
        DatasetError: If the path is no folder.
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

    A level seed has no place in it, and where the frame after a termination is missing, the last one is repeated.

    Args:
        folder: Made; must not hold anything. It appears when the last episode is written.
        episodes: Square RGB frames, actions ``[T, A]`` in [-1, 1].

    Returns:
        Number of transitions.

    Raises:
        DatasetExistsError: If the folder holds something.
        DatasetError: If there are no episodes.
        SpecMismatchError: If episodes differ from one another, or do not fit the format.
        InvalidTransitionsError: If an action is outside [-1, 1].
        DatasetWriteError: If the disk refuses.
    """
    return write_archives(Path(folder), alike(episodes, require_vd4rl), _archive)


def _archive(number: int, episode: PixelEpisode) -> tuple[str, Arrays]:
    columns = vd4rl_columns(episode)
    rows = len(columns["action"])
    place = np.arange(rows)
    arrays = columns | {"image": np.ascontiguousarray(all_frames(episode).transpose(0, 2, 3, 1))}
    arrays |= {"is_first": place == 0, "is_last": place == rows - 1, "is_terminal": columns["discount"] == 0}
    return f"00000000T000000-{number:08d}-{rows}.npz", arrays


def require_vd4rl(episode: PixelEpisode) -> None:
    """Checks that an episode's actions are vectors in [-1, 1].

    Raises:
        SpecMismatchError: If they are no vectors of floats.
        InvalidTransitionsError: If one is outside.
    """
    if episode.actions.ndim != 2:
        raise SpecMismatchError(f"V-D4RL holds actions of shape [T, A]; these are {list(episode.actions.shape)}.")
    check_actions(episode.actions, vector_space(episode.actions.shape[1]))


def vd4rl_columns(episode: PixelEpisode) -> Arrays:
    """The float32 columns of an episode's T + 1 rows, dummy values in the first; its discount is 0 at a termination."""
    action = np.concatenate([np.zeros_like(episode.actions[:1]), episode.actions])
    reward = np.concatenate([np.zeros(1, np.float32), episode.rewards])
    discount = np.ones(len(reward), np.float32)
    discount[-1] = not episode.terminated
    return {"action": action, "reward": reward, "discount": discount}


def vd4rl_episode(place: object, frames: Array, action: Array, reward: Array, terminated: bool) -> PixelEpisode:
    """An episode of V-D4RL's T + 1 rows.

    Raises:
        InvalidTransitionsError: If values do not fit, naming the place.
    """
    with located(str(place)):
        return PixelEpisode(frames, action[1:], reward[1:], bool(terminated))


def action_size(place: Path, actions: Array) -> int:
    """Numbers of one action.

    Raises:
        DatasetFormatError: If the actions are no vectors.
    """
    if actions.ndim != 2:
        raise DatasetFormatError(f"{place}: actions need the shape [rows, A]; got {list(actions.shape)}.")
    return int(actions.shape[1])
