"""Conversion between Stable-Baselines3's storage and transitions in environment units."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
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
    """Converts actions ``[n, *shape]`` to SB3's stored ``[n, size]``, Box actions from their units to [-1, 1]."""
    if not isinstance(space, spaces.Box):
        return as_matrix(actions)
    scaled: Array = (2.0 * ((actions - space.low) / (space.high - space.low)) - 1.0).astype(np.float32)
    return as_matrix(scaled)


def unscale_actions(actions: Array, space: spaces.Space[Any]) -> Array:
    """Converts SB3's stored actions to environment units, within bounds, in the space's shape."""
    actions = actions.reshape(len(actions), *(space.shape or ()))
    if not isinstance(space, spaces.Box):
        return actions
    values = space.low + 0.5 * (actions.astype(np.float64) + 1.0) * (space.high - space.low)
    clipped: Array = np.clip(values, space.low, space.high).astype(space.dtype)
    return clipped


def stored_transitions(buffer: ReplayBuffer, chosen: Array | None = None) -> Transitions:
    """Returns rows of a replay buffer, as its own ``_get_samples`` makes them, in environment units.

    One environment after the other is read through a view of the buffer with that environment alone, so that n-step
    returns, timeouts and memory-optimised storage are SB3's own work. NumPy's global random state is left as it was.

    Args:
        buffer: One of SB3's replay buffers.
        chosen: Row numbers ``[k]`` below :func:`stored_count`, in increasing order; None returns all rows.
    """
    rows, random_state = _valid_rows(buffer), np.random.get_state()  # noqa: NPY002 - SB3 draws the environment from it
    ends = len(rows) * np.arange(1, buffer.n_envs)
    each = [rows] * buffer.n_envs if chosen is None else [rows[n % len(rows)] for n in _divided(chosen, ends)]
    try:
        parts = [_read(_single_env_view(buffer, env), each[env]) for env in range(buffer.n_envs)]
    finally:
        np.random.set_state(random_state)  # noqa: NPY002
    return Transitions.concatenate(parts) if len(parts) > 1 else parts[0]


def stored_count(buffer: ReplayBuffer) -> int:
    """Returns the number of rows that :func:`stored_transitions` returns without ``chosen``."""
    return len(_valid_rows(buffer)) * buffer.n_envs


def _divided(chosen: Array, ends: Array) -> list[Array]:
    """Splits increasing row numbers ``[k]`` by environment; ``ends`` are the first numbers of all but the first."""
    return np.split(chosen, np.searchsorted(chosen, ends))


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
    view.to_torch = _shared  # SB3 has gathered a copy already: a second one doubles the memory
    return view


def _shared(array: Array, copy: bool = True) -> torch.Tensor:  # noqa: ARG001 - SB3's signature
    return torch.as_tensor(array)


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


def loose_transitions(buffer: ReplayBuffer) -> Transitions:
    """Returns all rows of a replay buffer with their truncations, for :func:`write_transitions`.

    Raises:
        InvalidTransitionsError: If the rows are n-step transitions.
    """
    rows, stored = stored_transitions(buffer), _valid_rows(buffer)
    if rows.discounts is not None:
        raise InvalidTransitionsError(
            "The rows are n-step transitions: copy the buffer to a ReplayBuffer of single steps first."
        )
    return replace(rows, truncations=buffer.timeouts[stored].swapaxes(0, 1).reshape(-1) != 0)


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
