"""One-step dynamics error: the difference between generated transitions and the simulator's own steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np

from synth_replay.evaluation.simulator import StateSetter, state_setter
from synth_replay.spaces import Array
from synth_replay.transitions import Transitions


@dataclass(frozen=True)
class DynamicsErrors:
    """Errors of generated transitions against the simulator's own step from the same state and action.

    Attributes:
        next_observation: Errors ``[n]`` of s': squared errors in units of the variance of the simulator's s', averaged
            over dimensions.
        reward: Squared errors ``[n]`` of the reward in units of the variance of the simulator's rewards.
        terminations: Terminations ``[n]`` by the simulator.
        precision: Share of generated terminations that the simulator confirms; NaN if none is generated.
        recall: Share of the simulator's terminations that are generated as such; NaN if there are none.
    """

    next_observation: Array
    reward: Array
    terminations: Array
    precision: float
    recall: float


def dynamics_error(
    transitions: Transitions, env: gym.Env[Any, Any], set_state: StateSetter | None = None
) -> DynamicsErrors:
    """Steps the simulator from every generated state with the generated action (SynthER Section 4.1.1).

    Args:
        transitions: Rows with array observations, in environment units.
        env: Environment whose state can be set, wrapped or not.
        set_state: Function ``set_state(env.unwrapped, observation)``; None covers MuJoCo v5 and classic control.

    Raises:
        SimulatorError: If the environment's state cannot be set.
    """
    setter = set_state or state_setter(env)
    inner: Any = env.unwrapped
    env.reset(seed=0)
    after = np.empty(np.shape(transitions.next_observations), np.float64)
    rewards, terminations = np.empty(len(after)), np.empty(len(after), bool)
    for i in range(len(after)):
        setter(inner, transitions.observations[i])
        after[i], rewards[i], terminations[i], _, _ = inner.step(transitions.actions[i])
    generated = transitions.terminations
    confirmed = float((generated & terminations).sum())
    return DynamicsErrors(
        next_observation=_normalized(transitions.next_observations, after).reshape(len(after), -1).mean(axis=1),
        reward=_normalized(transitions.rewards, rewards),
        terminations=terminations,
        precision=confirmed / generated.sum() if generated.any() else float("nan"),
        recall=confirmed / terminations.sum() if terminations.any() else float("nan"),
    )


def _normalized(values: Array, truth: Array) -> Array:
    variance = truth.var(axis=0)
    errors: Array = np.square(values - truth) / np.where(variance > 0, variance, 1.0)
    return errors
