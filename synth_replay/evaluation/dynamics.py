"""One-step dynamics error: does the simulator agree with a generated transition?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np

from synth_replay.evaluation.simulator import StateSetter, state_setter
from synth_replay.spaces import Array
from synth_replay.transitions import Transitions


@dataclass(frozen=True)
class DynamicsError:
    """Generated transitions against the simulator's own step from the same state and action.

    Attributes:
        next_observation: ``[n]`` mean over dimensions of the squared error of s', each dimension
            divided by the standard deviation of the simulator's s'.
        reward: ``[n]`` squared error of the reward over the variance of the simulator's rewards.
        terminations: ``[n]`` what the simulator says.
        precision: Share of claimed terminations that are real; NaN if none is claimed.
        recall: Share of real terminations that are claimed; NaN if there are none.
    """

    next_observation: Array
    reward: Array
    terminations: Array
    precision: float
    recall: float


def dynamics_error(
    transitions: Transitions, env: gym.Env[Any, Any], set_state: StateSetter | None = None
) -> DynamicsError:
    """Steps the simulator from every generated state with the generated action (SynthER Section 4.1.1).

    Args:
        transitions: Rows with array observations, in environment units.
        env: Any wrapping of an environment whose state can be set.
        set_state: ``set_state(env.unwrapped, observation)``; by default MuJoCo v5 and classic control are known.

    Raises:
        SimulatorError: If the environment's state cannot be set.
    """
    setter = set_state or state_setter(env)
    inner: Any = env.unwrapped
    env.reset(seed=0)
    after = np.empty(np.shape(transitions.next_observations), np.float64)
    rewards, ends = np.empty(len(after)), np.empty(len(after), bool)
    for i in range(len(after)):
        setter(inner, transitions.observations[i])
        after[i], rewards[i], ends[i], _, _ = inner.step(transitions.actions[i])
    claimed = transitions.terminations
    hits = float((claimed & ends).sum())
    return DynamicsError(
        next_observation=_normalized(transitions.next_observations, after).reshape(len(after), -1).mean(axis=1),
        reward=_normalized(transitions.rewards, rewards),
        terminations=ends,
        precision=hits / claimed.sum() if claimed.any() else float("nan"),
        recall=hits / ends.sum() if ends.any() else float("nan"),
    )


def _normalized(values: Array, truth: Array) -> Array:
    variance = truth.var(axis=0)
    errors: Array = np.square(values - truth) / np.where(variance > 0, variance, 1.0)
    return errors
