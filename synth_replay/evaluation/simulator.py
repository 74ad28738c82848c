"""Functions that set a simulator to the state that an observation describes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np

from synth_replay.errors import SimulatorError
from synth_replay.spaces import Array

StateSetter = Callable[[Any, Array], None]


def _mujoco(env: Any, observation: Array) -> None:
    """Sets MuJoCo v5, whose observations start with positions (the first ones may be hidden) and velocities."""
    layout = env.observation_structure
    qpos, qvel = np.zeros(env.model.nq), np.zeros(env.model.nv)
    hidden = int(layout.get("skipped_qpos", 0))
    shown = env.model.nq - hidden
    qpos[hidden:] = observation[:shown]
    qvel[:] = observation[shown : shown + env.model.nv]
    env.set_state(qpos, qvel)


def _cart_pole(env: Any, observation: Array) -> None:
    env.state, env.steps_beyond_terminated = tuple(float(v) for v in observation), None


def _mountain_car(env: Any, observation: Array) -> None:
    env.state = np.asarray(observation, np.float64)


def _pendulum(env: Any, observation: Array) -> None:
    cos, sin, velocity = (float(v) for v in observation)
    env.state, env.last_u = np.array([np.arctan2(sin, cos), velocity]), None


def _acrobot(env: Any, observation: Array) -> None:
    cos1, sin1, cos2, sin2, v1, v2 = (float(v) for v in observation)
    env.state = np.array([np.arctan2(sin1, cos1), np.arctan2(sin2, cos2), v1, v2])


_CLASSIC: dict[str, StateSetter] = {
    "CartPoleEnv": _cart_pole,
    "MountainCarEnv": _mountain_car,
    "Continuous_MountainCarEnv": _mountain_car,
    "PendulumEnv": _pendulum,
    "AcrobotEnv": _acrobot,
}


def _shows_its_state(env: Any) -> bool:
    """Tells whether a MuJoCo observation holds all velocities and all positions that are not hidden on purpose."""
    layout = getattr(env, "observation_structure", None)
    if layout is None or not {"qpos", "qvel"} <= set(layout) or not hasattr(env, "set_state"):
        return False
    return bool(layout["qpos"] + layout.get("skipped_qpos", 0) == env.model.nq and layout["qvel"] == env.model.nv)


def state_setter(env: gym.Env[Any, Any]) -> StateSetter:
    """Returns the function that sets the state of this environment from an observation.

    Raises:
        SimulatorError: If the observation does not determine the state, or the environment is not supported.
    """
    if not isinstance(env, gym.Env):
        raise SimulatorError(f"env must be a Gymnasium environment; got {env!r}. Create one with gymnasium.make().")
    inner: Any = env.unwrapped
    if _shows_its_state(inner):
        return _mujoco
    for parent in type(inner).__mro__:
        if parent.__name__ in _CLASSIC:
            return _CLASSIC[parent.__name__]
    raise SimulatorError(
        f"{inner} cannot be set to the state of an observation. Pass set_state=function(env, observation) to "
        "evaluate(), or leave env out to skip the dynamics error."
    )


def set_env_state(env: gym.Env[Any, Any], observation: Array) -> None:
    """Sets ``env`` to the state that ``observation`` describes; unobserved parts become zero.

    Raises:
        SimulatorError: If the environment's state cannot be set.
    """
    state_setter(env)(env.unwrapped, np.asarray(observation))
