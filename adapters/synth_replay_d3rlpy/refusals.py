"""What d3rlpy offers and generated rows cannot serve, refused when it is asked for."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np
from d3rlpy.dataset import ReplayBufferBase

from synth_replay.errors import ConfigError, UnsupportedBufferError


def refuse_trajectories() -> NoReturn:
    """Refuses whole sequences.

    Raises:
        UnsupportedBufferError: Always.
    """
    raise UnsupportedBufferError(
        "Decision Transformer and other trajectory models need whole sequences; generated transitions have no "
        "neighbours. Train them on the wrapped dataset itself (buffer.dataset)."
    )


def refuse_loading() -> NoReturn:
    """Refuses to make a mixed buffer from a file of ``dump``.

    Raises:
        UnsupportedBufferError: Always.
    """
    raise UnsupportedBufferError(
        "dump() keeps the online episodes alone. To resume later, pickle the whole buffer; to look at the episodes, "
        "load them with d3rlpy's ReplayBuffer.load."
    )


def refuse_episode_generator() -> NoReturn:
    """Refuses to make a mixed buffer from a generator of episodes.

    Raises:
        UnsupportedBufferError: Always.
    """
    raise UnsupportedBufferError("Make a d3rlpy ReplayBuffer of the episodes, and pass it as the offline dataset.")


def refuse_running_episode(open_steps: int) -> None:
    """Refuses a whole episode while another one is being collected.

    Raises:
        UnsupportedBufferError: If an episode has steps and no end yet.
    """
    if open_steps:
        raise UnsupportedBufferError("An episode is running: call clip_episode() before append_episode().")


def refuse_foreign(dataset: Any) -> None:
    """Refuses what is no dataset of d3rlpy's.

    Raises:
        ConfigError: If it is something else.
    """
    if not isinstance(dataset, ReplayBufferBase):
        raise ConfigError(f"wrap() takes a d3rlpy replay buffer or MDPDataset, not {type(dataset).__name__}.")


def refuse_limit(limit: Any) -> None:
    """Refuses limits that no ring of steps can have.

    Raises:
        ConfigError: If it is no whole number from 2.
    """
    if isinstance(limit, bool) or not isinstance(limit, (int, np.integer)) or limit < 2:
        raise ConfigError(f"limit is the number of online transitions kept, a whole number from 2; got {limit!r}.")
