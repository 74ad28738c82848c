"""What d3rlpy offers and generated rows cannot serve, refused when it is asked for."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np
from d3rlpy.dataset import EpisodeBase, FrameStackTransitionPicker, MixedReplayBuffer, ReplayBufferBase

from synth_replay.errors import ConfigError, SpecMismatchError, UnsupportedBufferError


def refuse_trajectories() -> NoReturn:
    """Refuses whole sequences.

    Raises:
        UnsupportedBufferError: Always.
    """
    raise UnsupportedBufferError(
        "Decision Transformer and other trajectory models need whole sequences; generated transitions have no "
        "neighbours. Train them on the dataset itself (buffer.dataset), or on a buffer that generates nothing "
        "(real_ratio=1; CFGMixedBuffer: generation='none')."
    )


def refuse_loose_trajectories() -> NoReturn:
    """Refuses sequences of offline rows that belong to no episode.

    Raises:
        UnsupportedBufferError: Always.
    """
    raise UnsupportedBufferError(
        "The offline rows are single transitions, which have no neighbours. To sample trajectories, give a d3rlpy "
        "dataset with whole episodes."
    )


def refuse_loading() -> NoReturn:
    """Refuses to make a mixed buffer from a file of ``dump``.

    Raises:
        UnsupportedBufferError: Always.
    """
    raise UnsupportedBufferError(
        "dump() writes the real episodes of both kinds, and a file does not say which are offline. To resume later, "
        "pickle the whole buffer; to use the episodes, load them with d3rlpy's ReplayBuffer.load."
    )


def refuse_mixture(dataset: Any) -> None:
    """Refuses d3rlpy's mixture of two buffers.

    Raises:
        UnsupportedBufferError: If it is one.
    """
    if isinstance(dataset, MixedReplayBuffer):
        raise UnsupportedBufferError(
            "d3rlpy's MixedReplayBuffer mixes the rows of two buffers by itself. To mix offline and online rows, "
            "give the offline dataset to CFGMixedBuffer(dataset, online_ratio=...), which also generates rows of both "
            "kinds. Otherwise take one of its parts, primary_replay_buffer or secondary_replay_buffer."
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
    """Refuses objects that are no d3rlpy dataset, and datasets that mix rows already.

    Raises:
        ConfigError: If it is something else.
        UnsupportedBufferError: If it is a mixture of two buffers, or a buffer that generates rows itself.
    """
    if not isinstance(dataset, ReplayBufferBase):
        raise ConfigError(f"wrap() takes a d3rlpy replay buffer or MDPDataset, not {type(dataset).__name__}.")
    refuse_generating(dataset)


def refuse_generating(dataset: Any) -> None:
    """Refuses datasets that mix rows already.

    Raises:
        UnsupportedBufferError: If it is a mixture of two buffers, or a buffer that generates rows itself.
    """
    refuse_mixture(dataset)
    if getattr(dataset, "engine", None) is not None:
        raise UnsupportedBufferError(
            f"This {type(dataset).__name__} generates rows itself, and another buffer around it would not see them. "
            "Give the dataset inside it (buffer.dataset)."
        )


def refuse_limit(limit: Any) -> None:
    """Refuses limits that no ring of steps can have.

    Raises:
        ConfigError: If it is no whole number from 2.
    """
    if isinstance(limit, bool) or not isinstance(limit, (int, np.integer)) or limit < 2:
        raise ConfigError(f"limit is the number of online transitions kept, a whole number from 2; got {limit!r}.")


def refuse_stacking(dataset: ReplayBufferBase) -> None:
    """Refuses transition pickers that stack observations.

    Raises:
        UnsupportedBufferError: If the picker stacks more than one observation.
    """
    picker = dataset.transition_picker
    if isinstance(picker, FrameStackTransitionPicker) and picker._n_frames > 1:
        raise UnsupportedBufferError(
            f"FrameStackTransitionPicker stacks {picker._n_frames} observations of a transition, but generated "
            "rows have the stored shapes. Store stacked observations, or generate nothing (real_ratio=1)."
        )


def refuse_other_shapes(dataset: ReplayBufferBase, episode: EpisodeBase) -> None:
    """Refuses an episode that cannot be batched with those of a buffer.

    Raises:
        SpecMismatchError: If its observations, actions or rewards have other shapes.
    """
    for name in ("observation", "action", "reward"):
        held = getattr(dataset.dataset_info, f"{name}_signature").shape
        found = getattr(episode, f"{name}_signature").shape
        if [tuple(shape) for shape in held] != [tuple(shape) for shape in found]:
            raise SpecMismatchError(
                f"The episode has {name}s of shape {found}, but the buffer has {held}. It comes from another "
                "environment. Nothing was stored."
            )
