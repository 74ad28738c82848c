"""Between d3rlpy's buffers and transitions in environment units."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from d3rlpy.constants import ActionSpace
from d3rlpy.dataset import ReplayBufferBase
from gymnasium import spaces

from synth_replay.buffers.store import HostColumns
from synth_replay.errors import ConfigError, InvalidTransitionsError, SpecMismatchError
from synth_replay.spaces import Array
from synth_replay.transitions import Transitions
from synth_replay_d3rlpy.batch import PACKED, RowLayout
from synth_replay_d3rlpy.columns import EpisodeColumns

DEFAULT_GAMMA = 0.99


def infer_spaces(dataset: ReplayBufferBase) -> tuple[spaces.Space[Any], spaces.Space[Any]]:
    """Returns Gymnasium spaces for a dataset, which keeps none.

    Observations are unbounded; boolean ones are binary. Continuous actions are bounded by [-1, 1] if all lie within it,
    otherwise by the range that is seen in each dimension.

    Raises:
        InvalidTransitionsError: If continuous actions have to be bounded and there are none.
    """
    info = dataset.dataset_info
    kinds = list(zip(info.observation_signature.shape, info.observation_signature.dtype, strict=True))
    parts: dict[str, spaces.Space[Any]] = {
        str(i): _space(tuple(shape), np.dtype(dtype)) for i, (shape, dtype) in enumerate(kinds)
    }
    observation_space = parts["0"] if len(parts) == 1 else spaces.Dict(parts)
    if info.action_space == ActionSpace.DISCRETE:
        return observation_space, spaces.Discrete(int(info.action_size))
    if not dataset.episodes:
        raise InvalidTransitionsError("An empty buffer says nothing of the action bounds: pass env= to wrap().")
    low = np.min([np.asarray(episode.actions, np.float32).min(axis=0) for episode in dataset.episodes], axis=0)
    high = np.max([np.asarray(episode.actions, np.float32).max(axis=0) for episode in dataset.episodes], axis=0)
    if low.min() >= -1 and high.max() <= 1:
        low, high = -np.ones_like(low), np.ones_like(high)
    return observation_space, spaces.Box(low.astype(np.float32), high.astype(np.float32), dtype=np.float32)


def _space(shape: tuple[int, ...], dtype: np.dtype[Any]) -> spaces.Space[Any]:
    if np.issubdtype(dtype, np.bool_):
        return spaces.MultiBinary(shape)
    if np.issubdtype(dtype, np.integer):
        limits = np.iinfo(dtype)
        return spaces.Box(int(limits.min), int(limits.max), shape, dtype.type)
    return spaces.Box(-np.inf, np.inf, shape, dtype.type)


def default_extras(action_space: spaces.Space[Any]) -> tuple[str, ...]:
    """Returns the extra columns that some algorithm needs: next actions (ReBRAC), returns-to-go (Cal-QL)."""
    return ("next_actions", "returns_to_go") if isinstance(action_space, spaces.Box) else ()


def wanted_extras(
    asked: Sequence[str] | None, dataset: ReplayBufferBase, action_space: spaces.Space[Any]
) -> tuple[str, ...]:
    """Returns the extra columns to model: those that were asked for, or the usual ones if the episodes have them.

    Raises:
        ConfigError: If some were asked for, and all episodes have one transition, as those of :func:`to_replay_buffer`:
            their return-to-go would be one reward, and their next action the action itself.
    """
    if any(episode.transition_count > 1 for episode in dataset.episodes) or not dataset.transition_count:
        return default_extras(action_space) if asked is None else tuple(asked)
    if asked:
        raise ConfigError(
            f"extra_columns asks for {list(asked)}, which take whole episodes, and this dataset's have one transition "
            "each. Give a dataset with its episodes, or extra_columns=()."
        )
    return ()


def to_transitions(
    dataset: ReplayBufferBase | EpisodeColumns,
    observation_space: spaces.Space[Any] | None = None,
    action_space: spaces.Space[Any] | None = None,
    extras: Sequence[str] = (),
    gamma: float = DEFAULT_GAMMA,
) -> Transitions:
    """Returns all rows of a d3rlpy buffer, as its own transition picker makes them.

    d3rlpy keeps no observation after a termination and gives zeros; the last observation stands in for it here, since a
    jump to zero would be learnt as dynamics. It drops the last step of a truncated episode.

    Args:
        dataset: d3rlpy's buffer, or its columns.
        observation_space: Observation space of the rows; that of :func:`infer_spaces` by default.
        action_space: Action space of the rows; that of :func:`infer_spaces` by default.
        extras: Any of ``next_actions`` and ``returns_to_go``; ``intervals`` come by themselves with n-step pickers.
        gamma: Discount of the returns-to-go.

    Raises:
        InvalidTransitionsError: If there are no rows.
    """
    columns = dataset if isinstance(dataset, EpisodeColumns) else EpisodeColumns(dataset)
    columns.sync()
    if observation_space is None or action_space is None:
        observation_space, action_space = infer_spaces(columns.host)
    held = columns.columns()
    terminations = held["terminals"].reshape(-1) > 0
    for name in [name for name in held if name.startswith("next_")]:
        held[name][terminations] = held[name.removeprefix("next_")][terminations]
    leaves = _as_space({name: a for name, a in held.items() if "observations" in name}, observation_space)
    leaves |= {
        "actions": _actions(held["actions"], action_space),
        "rewards": held["rewards"],
        "terminations": terminations,
    }
    if (held["intervals"] != 1).any():
        leaves["intervals"] = held["intervals"]
    if "next_actions" in extras:
        leaves["next_actions"] = _actions(held["next_actions"], action_space)
    if "returns_to_go" in extras:
        leaves["returns_to_go"] = columns.returns_to_go(gamma)
    return Transitions.from_leaves(leaves)


def _as_space(leaves: dict[str, Array], space: spaces.Space[Any]) -> dict[str, Array]:
    """One array needs no number; several become the keys of a Dict space, in its order."""
    if not isinstance(space, spaces.Dict):
        if len(leaves) != 2:
            raise SpecMismatchError(f"The dataset has {len(leaves) // 2} kinds of observations, the space is {space}.")
        return {name.removesuffix("/0"): array for name, array in leaves.items()}
    keys = list(space.spaces)
    split = {name: name.rpartition("/") for name in leaves}
    return {f"{head}/{keys[int(i)]}": leaves[name] for name, (head, _, i) in split.items()}


def _actions(actions: Array, space: spaces.Space[Any]) -> Array:
    if isinstance(space, spaces.Discrete):
        return actions.reshape(-1).astype(np.int64)
    return actions.reshape(len(actions), *(space.shape or ()))


def host_columns(rows: Transitions, observation_space: spaces.Space[Any], layout: RowLayout) -> HostColumns:
    """Returns generated rows in d3rlpy's form: zeros after a termination, NaN for what was not modelled.

    Args:
        rows: Rows in environment units.
        observation_space: Observation space of the rows.
        layout: Layout of a batch's rows.

    Returns:
        One column, ``layout.PACKED``, with whole rows ``[n, width]``.
    """
    leaves = rows.leaves()
    keys = list(observation_space.spaces) if isinstance(observation_space, spaces.Dict) else [None]
    for head in ("observations", "next_observations"):
        for i, key in enumerate(keys):
            leaves[f"{head}/{i}"] = leaves.pop(head if key is None else f"{head}/{key}")
    leaves["terminals"] = leaves.pop("terminations")
    leaves.setdefault("intervals", np.ones_like(leaves["rewards"]))
    leaves.setdefault("next_actions", np.full(leaves["actions"].shape, np.nan, np.float32))
    packed = layout.pack(leaves)
    for name in [name for name in layout.slices if name.startswith("next_")]:
        packed[rows.terminations, layout.slices[name]] = 0
    return {PACKED: packed}
