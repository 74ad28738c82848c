"""Conversion between Stable-Baselines3's storage and transitions in environment units."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.buffers import ReplayBuffer

from synth_replay.errors import InvalidTransitionsError
from synth_replay.spaces import Array, as_matrix
from synth_replay.transitions import Transitions

SB3_NAMES = {"dones": "terminations"}


def scale_actions(actions: Array, space: spaces.Space[Any]) -> Array:
    """Converts actions from environment units to SB3's stored [-1, 1]; discrete actions become a column."""
    if not isinstance(space, spaces.Box):
        return as_matrix(actions)
    scaled: Array = (2.0 * ((actions - space.low) / (space.high - space.low)) - 1.0).astype(np.float32)
    return scaled


def unscale_actions(actions: Array, space: spaces.Space[Any]) -> Array:
    """Converts SB3's stored actions to environment units, within bounds, in the space's shape."""
    actions = actions.reshape(len(actions), *(space.shape or ()))
    if not isinstance(space, spaces.Box):
        return actions
    values = space.low + 0.5 * (actions.astype(np.float64) + 1.0) * (space.high - space.low)
    clipped: Array = np.clip(values, space.low, space.high).astype(space.dtype)
    return clipped


def stored_transitions(buffer: ReplayBuffer) -> Transitions:
    """Returns all rows of a replay buffer, as its own ``_get_samples`` makes them, in environment units.

    One environment after the other is read through a view of the buffer with that environment alone, so that n-step
    returns, timeouts and memory-optimised storage are SB3's own work. NumPy's global random state is left as it was.
    """
    random_state = np.random.get_state()  # noqa: NPY002 - SB3 draws the environment index from it
    try:
        parts = [_read(_single_env_view(buffer, env), _valid_rows(buffer)) for env in range(buffer.n_envs)]
    finally:
        np.random.set_state(random_state)  # noqa: NPY002
    return Transitions.concatenate(parts)


def _valid_rows(buffer: ReplayBuffer) -> Array:
    """Returns storage positions from the oldest row to the newest."""
    if not buffer.full:
        return np.arange(buffer.pos)
    # memory-optimised storage has overwritten the observation after the newest row's slot
    start = 1 if buffer.optimize_memory_usage else 0
    return (buffer.pos + np.arange(start, buffer.buffer_size)) % buffer.buffer_size


def _single_env_view(buffer: ReplayBuffer, env: int) -> Any:
    view: Any = copy.copy(buffer)
    for name in ("observations", "next_observations", "actions", "rewards", "dones", "timeouts"):
        stored = getattr(buffer, name, None)
        if isinstance(stored, dict):
            setattr(view, name, {key: a[:, env : env + 1] for key, a in stored.items()})
        elif stored is not None:
            setattr(view, name, stored[:, env : env + 1])
    view.n_envs, view.device = 1, torch.device("cpu")
    return view


def _read(view: Any, rows: Array) -> Transitions:
    samples = view._get_samples(rows, env=None)._asdict()
    columns = {SB3_NAMES.get(name, name): _numpy(value) for name, value in samples.items() if value is not None}
    columns["actions"] = unscale_actions(columns["actions"], view.action_space)
    for name in ("observations", "next_observations"):
        columns[name] = _as_space(columns[name], view.observation_space)
    return Transitions(**columns)


def _numpy(value: Any) -> Any:
    return {k: v.numpy() for k, v in value.items()} if isinstance(value, dict) else value.numpy()


def _as_space(observations: Any, space: spaces.Space[Any]) -> Any:
    """Returns observations in the space's shape: SB3 keeps a Discrete observation as a column."""
    if isinstance(space, spaces.Dict):
        return {key: _as_space(observations[key], child) for key, child in space.spaces.items()}
    return observations.reshape(len(observations), *(space.shape or ()))


def host_columns(rows: Transitions, action_space: spaces.Space[Any]) -> dict[str, Array]:
    """Returns generated rows under SB3's names, with SB3's action scale, as the synthetic stores keep them."""
    leaves = rows.leaves()
    leaves["actions"] = scale_actions(leaves["actions"], action_space)
    leaves["dones"] = leaves.pop("terminations")
    return leaves


def from_host_columns(columns: Mapping[str, Array], action_space: spaces.Space[Any]) -> Transitions:
    """Returns columns of :func:`host_columns` as transitions in environment units."""
    leaves = dict(columns)
    leaves["actions"] = unscale_actions(leaves["actions"], action_space)
    leaves["terminations"] = leaves.pop("dones")
    return Transitions.from_leaves(leaves)


def write_transitions(buffer: ReplayBuffer, transitions: Transitions) -> None:
    """Writes real rows into a replay buffer's own storage as whole arrays, after the rows it already has.

    With several environments each gets one contiguous part, so that consecutive rows stay consecutive.

    Raises:
        InvalidTransitionsError: If they do not fit, or do not divide among the environments.
    """
    count, envs = len(transitions), buffer.n_envs
    steps = count // envs
    if steps * envs != count or buffer.full or buffer.pos + steps > buffer.buffer_size:
        free = 0 if buffer.full else (buffer.buffer_size - buffer.pos) * envs
        raise InvalidTransitionsError(
            f"{count} transitions cannot be written: the buffer has room for {free}, and the number must be a "
            f"multiple of n_envs={envs}. Create the model with a larger buffer_size, or drop rows."
        )
    if buffer.optimize_memory_usage:
        raise InvalidTransitionsError(
            "With optimize_memory_usage=True SB3 keeps no next observations, so loose transitions cannot be written."
        )
    place = slice(buffer.pos, buffer.pos + steps)

    def by_env(array: Array) -> Array:
        return array.reshape(envs, steps, *array.shape[1:]).swapaxes(0, 1)

    for name in ("observations", "next_observations"):
        stored, given = getattr(buffer, name), getattr(transitions, name)
        for key in stored if isinstance(stored, dict) else (None,):
            target, source = (stored, given) if key is None else (stored[key], given[key])
            target[place] = by_env(source).reshape(target[place].shape)
    actions = scale_actions(transitions.actions, buffer.action_space).reshape(count, -1)
    buffer.actions[place] = by_env(actions)
    buffer.rewards[place] = by_env(transitions.rewards)
    truncations = transitions.truncations if transitions.truncations is not None else np.zeros(count, bool)
    dones = by_env(transitions.terminations | truncations).astype(np.float32)
    timeouts = by_env(truncations & ~transitions.terminations).astype(np.float32)
    timeouts[-1] = np.maximum(timeouts[-1], 1 - dones[-1])  # what follows in the ring is another episode
    buffer.dones[place], buffer.timeouts[place] = np.maximum(dones, timeouts), timeouts
    buffer.pos = (buffer.pos + steps) % buffer.buffer_size
    buffer.full = buffer.pos == 0
