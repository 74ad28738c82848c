"""Transitions without neighbours as a d3rlpy dataset."""

from __future__ import annotations

import numpy as np
from d3rlpy.constants import ActionSpace
from d3rlpy.dataset import Episode, InfiniteBuffer, ReplayBuffer
from gymnasium import spaces

from synth_replay.errors import InvalidTransitionsError, UnsupportedSpaceError
from synth_replay.spaces import Array
from synth_replay.transitions import Transitions, TransitionSpec


def to_replay_buffer(transitions: Transitions, spec: TransitionSpec) -> ReplayBuffer:
    """Returns a d3rlpy buffer whose transitions are exactly the given rows, of a generated dataset for example.

    d3rlpy makes a transition from two steps of an episode, or from its terminal step. So a row becomes an episode of
    two steps (the second has ``next_actions`` where there are any, else the same action), or of one if it is terminal.

    Args:
        transitions: Rows with array observations.
        spec: Spaces of the rows.

    Returns:
        d3rlpy's ``ReplayBuffer`` with ``len(transitions)`` episodes, each of one transition.

    Raises:
        InvalidTransitionsError: If there are no rows, or a value is not finite or outside its space.
        UnsupportedSpaceError: For Dict observations.
    """
    spec.check(transitions)
    if not len(transitions):
        raise InvalidTransitionsError("There are no transitions to make a dataset of.")
    if isinstance(transitions.observations, dict):
        raise UnsupportedSpaceError("d3rlpy has no Dict observations: flatten them first.")
    actions_in = spec.action_space
    discrete = isinstance(actions_in, spaces.Discrete)
    if isinstance(actions_in, spaces.Discrete) and actions_in.start:
        raise UnsupportedSpaceError("d3rlpy counts discrete actions from 0: shift the action space.")
    actions = transitions.actions.reshape(len(transitions), -1)
    after = actions if transitions.next_actions is None else transitions.next_actions.reshape(actions.shape)
    observations = np.stack([transitions.observations, transitions.next_observations], axis=1)
    rewards = np.stack([transitions.rewards, np.zeros_like(transitions.rewards)], axis=1)[..., None]
    pairs = (observations, np.stack([actions, after], axis=1), rewards.astype(np.float32))
    return ReplayBuffer(
        InfiniteBuffer(),
        episodes=_episodes(pairs, transitions.terminations),
        action_space=ActionSpace.DISCRETE if discrete else ActionSpace.CONTINUOUS,
        action_size=int(actions_in.n) if isinstance(actions_in, spaces.Discrete) else actions.shape[1],
    )


def _episodes(pairs: tuple[Array, Array, Array], terminations: Array) -> list[Episode]:
    lengths = np.where(terminations, 1, 2)
    columns = zip(*pairs, terminations.tolist(), lengths.tolist(), strict=True)
    return [Episode(o[:length], a[:length], r[:length], terminated) for o, a, r, terminated, length in columns]
