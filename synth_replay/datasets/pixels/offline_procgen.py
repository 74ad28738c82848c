"""Reader and writer of Offline Procgen: one archive per episode of a level.

Source: Mediratta et al. 2024, "The Generalization Gap in Offline Reinforcement Learning". The name of a file is
``{time}_{number}_{steps}_{level seed}_{return}``. It holds T + 1 observations; the last one belongs to the next level,
because Procgen never shows the frame after the last step. In easy mode, levels 0 to 199 are for training, 200 to 249
for validation, and all levels for tests.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from gymnasium import spaces

from synth_replay.datasets.pixels.dataset import PixelDataset, check_actions, located
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
from synth_replay.environments.procgen_games import TIME_LIMITS
from synth_replay.errors import DatasetError, DatasetFormatError, InvalidTransitionsError
from synth_replay.spaces import Array

ARRAYS = ("observations", "actions", "rewards", "dones")
ACTIONS = 15

_NAME = re.compile(r"(?P<time>.+)_(?P<number>\d+)_(?P<steps>\d+)_(?P<level>-?\d+)_-?\d+\.\d+\.np[yz]")
_EXAMPLE = "20230101T000000_17_63_42_10.00.npz"
_LIMIT_NOTE = (
    "{count} episodes of {limit} steps ended at the time limit of {game}: they are truncated, and their last step is "
    "left out, because the frame after it belongs to the next level"
)
_EMPTY_NOTE = "{count} files of episodes without a step are skipped"


class OfflineProcgenDataset(PixelDataset):
    """A folder of Offline Procgen's episodes, in the order in which they were collected.

    The files only say that an episode is done, not why. An episode as long as the game's time limit is taken as
    truncated, and its last step is left out, because its next frame is unknown. Any other episode terminated, and the
    frame after the termination is missing. This package writes a truncated episode as not done; such a file holds the
    episode's own last frame.

    Args:
        path: The folder.
        game: Procgen's name of the game; None looks for it among the folders of the path.
        size: Height and width of the frames in pixels.

    Raises:
        DatasetError: If the path is not a folder or the game is unknown.
        DatasetFormatError: If it holds no episodes, a file is damaged, or frames have another shape.
    """

    format = "offline-procgen"

    def __init__(self, path: str | Path, game: str | None = None, size: int = 64) -> None:
        path = Path(path)
        self.game, self._size = _known_game(path, game), size
        found = sorted(find_archives(path, _NAME, _EXAMPLE), key=lambda pair: (pair[1]["time"], int(pair[1]["number"])))
        held = [(file, int(match["steps"]), int(match["level"])) for file, match in found if int(match["steps"])]
        if not held:
            raise DatasetFormatError(f"{path} holds no episodes, only {len(found)} files without a step.")
        limit = TIME_LIMITS[self.game]
        self._files = [(file, steps, None if level < 0 else level) for file, steps, level in held]
        self._cut = [steps == limit and _is_done(file) for file, steps, _ in self._files]
        require_layout(held[0][0], load_arrays(held[0][0], ARRAYS)["observations"].shape[1:], size, channels_first=True)
        counts = {_LIMIT_NOTE: sum(self._cut), _EMPTY_NOTE: len(found) - len(held)}
        notes = [note.format(count=n, limit=limit, game=self.game) for note, n in counts.items() if n]
        lengths = [steps - cut for (_, steps, _), cut in zip(self._files, self._cut, strict=True)]
        super().__init__(path, lengths, (3, size, size), spaces.Discrete(ACTIONS), notes)

    def _read(self, numbers: Sequence[int]) -> Iterator[PixelEpisode]:
        for number in numbers:
            yield self._episode(*self._files[number], cut=self._cut[number])

    def _episode(self, file: Path, steps: int, level: int | None, cut: bool) -> PixelEpisode:
        arrays = load_arrays(file, ARRAYS)
        require_length(file, arrays, dict.fromkeys(ARRAYS, steps) | {"observations": steps + 1})
        require_layout(file, arrays["observations"].shape[1:], self._size, channels_first=True)
        dones: Array = np.any(arrays["dones"].reshape(steps, -1), axis=1)
        if dones[:-1].any():
            raise InvalidTransitionsError(
                f"{file}: only the last of {steps} steps may be done; step {dones.argmax()} is. Split it into episodes."
            )
        frames = arrays["observations"][: steps if dones[-1] else steps + 1]
        kept = steps - cut
        with located(str(file)):
            actions = arrays["actions"].reshape(steps) if arrays["actions"].size == steps else arrays["actions"]
            ended = bool(dones[-1]) and not cut
            return PixelEpisode(frames, actions[:kept], arrays["rewards"][:kept], ended, level)


def write_offline_procgen(folder: str | Path, episodes: Iterable[PixelEpisode]) -> int:
    """Writes Offline Procgen's layout, one episode at a time.

    The frame after a termination is lost, because readers assume that it shows the next level. A truncated episode is
    written as not done, with its own last frame. An episode that terminates exactly at the game's time limit is read
    back as truncated.

    Args:
        folder: Folder to make; must not hold anything. It appears when the last episode is written.
        episodes: Episodes with square RGB frames and actions ``[T]`` from 0 to 14.

    Returns:
        Number of transitions.

    Raises:
        DatasetExistsError: If the folder holds something.
        DatasetError: If there are no episodes.
        SpecMismatchError: If episodes differ from one another, or do not fit the format.
        InvalidTransitionsError: If an action is not one of Procgen's.
        DatasetWriteError: If the disk is full or not writable.
    """
    return write_archives(Path(folder), checked_episodes(episodes, _require_procgen), _archive)


def _require_procgen(episode: PixelEpisode) -> None:
    check_actions(episode.actions, spaces.Discrete(ACTIONS))


def _archive(number: int, episode: PixelEpisode) -> tuple[str, Arrays]:
    steps, level = len(episode), -1 if episode.level_seed is None else episode.level_seed
    dones = np.zeros(steps, np.float32)
    dones[-1] = episode.terminated
    columns = {"actions": episode.actions[:, None], "rewards": episode.rewards[:, None], "dones": dones}
    name = f"00000000T000000_{number}_{steps}_{level}_{episode.rewards.sum():.2f}.npz"
    return name, {"observations": all_frames(episode)} | columns


def _is_done(file: Path) -> bool:
    dones = load_arrays(file, ("dones",))["dones"]
    return bool(dones.size and dones.reshape(-1)[-1])


def _known_game(path: Path, game: str | None) -> str:
    named = [part for part in reversed(path.resolve().parts) if part in TIME_LIMITS]
    if game is None and not named:
        raise DatasetError(
            f"Which game {path} is of must be known, because its time limit tells truncated episodes from terminated "
            f"ones: give game=, one of {', '.join(TIME_LIMITS)}."
        )
    found = named[0] if game is None else game
    if found not in TIME_LIMITS:
        raise DatasetError(f"There is no Procgen game {found!r}; there are {', '.join(TIME_LIMITS)}.")
    return found
