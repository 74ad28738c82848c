"""The row layout that both formats of V-D4RL share.

Row 0 of an episode holds its first frame with a dummy action and reward. Row t holds frame t with the action and the
reward that led to it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from synth_replay.datasets.pixels.dataset import check_actions, located, vector_space
from synth_replay.datasets.pixels.episode import PixelEpisode
from synth_replay.datasets.pixels.episode_files import Arrays
from synth_replay.errors import DatasetFormatError, SpecMismatchError
from synth_replay.spaces import Array


def require_vd4rl(episode: PixelEpisode) -> None:
    """Checks that an episode's actions are vectors in [-1, 1].

    Raises:
        SpecMismatchError: If the actions are not vectors of floats.
        InvalidTransitionsError: If an action is outside [-1, 1].
    """
    if episode.actions.ndim != 2:
        raise SpecMismatchError(f"V-D4RL holds actions of shape [T, A]; these are {list(episode.actions.shape)}.")
    check_actions(episode.actions, vector_space(episode.actions.shape[1]))


def vd4rl_columns(episode: PixelEpisode) -> Arrays:
    """Returns the action, reward and discount of an episode's T + 1 rows, as float32 columns.

    Row 0 holds zeros for action and reward. The discount is 1, and 0 in the last row of a terminated episode.
    """
    action = np.concatenate([np.zeros_like(episode.actions[:1]), episode.actions])
    reward = np.concatenate([np.zeros(1, np.float32), episode.rewards])
    discount = np.ones(len(reward), np.float32)
    discount[-1] = not episode.terminated
    return {"action": action, "reward": reward, "discount": discount}


def vd4rl_episode(place: object, frames: Array, action: Array, reward: Array, terminated: bool) -> PixelEpisode:
    """Makes an episode from V-D4RL's T + 1 rows.

    Args:
        place: File and rows to name in errors.
        frames: ``[T + 1, 3, H, W]``.
        action: ``[T + 1, A]``; row 0 is a dummy.
        reward: ``[T + 1]``; row 0 is a dummy.
        terminated: Whether the last step was a termination.

    Raises:
        InvalidTransitionsError: If lengths or values do not fit.
    """
    with located(str(place)):
        return PixelEpisode(frames, action[1:], reward[1:], bool(terminated))


def action_size(place: Path, actions: Array) -> int:
    """Returns the number of dimensions of an action.

    Raises:
        DatasetFormatError: If the actions are not vectors.
    """
    if actions.ndim != 2:
        raise DatasetFormatError(f"{place}: actions need the shape [rows, A]; got {list(actions.shape)}.")
    return int(actions.shape[1])
