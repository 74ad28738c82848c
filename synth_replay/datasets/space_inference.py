"""Inference of observation and action spaces for datasets that do not store them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from gymnasium import spaces

from synth_replay.datasets.columns import conform
from synth_replay.datasets.dataset import ReadOptions
from synth_replay.datasets.spec_header import Spaces
from synth_replay.errors import DatasetFormatError, InvalidTransitionsError
from synth_replay.spaces import Array
from synth_replay.transitions import TransitionSpec

Space = spaces.Space[Any]


def resolve_spec(
    options: ReadOptions,
    stored: Spaces,
    heads: Mapping[str, Array],
    actions: Callable[[], Iterable[Array]],
    extras: Iterable[str] = (),
) -> tuple[TransitionSpec, list[str]]:
    """Chooses the spec of a dataset: from the caller's spaces, else the file's, else inferred from the data.

    Args:
        options: The caller's spaces.
        stored: The file's observation and action space; None where the file does not store it.
        heads: Zero-row arrays ``[0, *shape]`` of every leaf that the file holds.
        actions: Streams the action column, from which an unknown action space is inferred.
        extras: Names of the file's extra columns.

    Returns:
        The spec, and notes on what was assumed.

    Raises:
        SpecMismatchError: If the spaces do not fit the shapes in the file.
        DatasetFormatError: If the actions are of mixed types.
    """
    notes: list[str] = []
    observation_space = options.observation_space or stored[0]
    if observation_space is None:
        observation_space = infer_observation_space(heads, notes)
    action_space = options.action_space or stored[1]
    if action_space is None:
        action_space = infer_action_space(actions(), notes)
    spec = TransitionSpec(observation_space, action_space, list(extras))
    conform(spec, heads)
    return spec, notes


def infer_observation_space(heads: Mapping[str, Array], notes: list[str]) -> Space:
    """Returns an unbounded Box for each observation leaf; a uint8 Box for images, which the spec then refuses.

    Args:
        heads: Zero-row arrays ``[0, *shape]`` by leaf name.
        notes: Notes on what was assumed; extended.
    """
    found: dict[str, Any] = {}
    for name, head in heads.items():
        top, *keys = name.split("/")
        if top != "observations":
            continue
        if not keys:
            return _observation_box(head, notes)
        node = found
        for key in keys[:-1]:
            node = node.setdefault(key, {})
        node[keys[-1]] = _observation_box(head, notes)
    return _nested(found)


def _nested(found: dict[str, Any]) -> spaces.Dict:
    return spaces.Dict({key: _nested(s) if isinstance(s, dict) else s for key, s in found.items()})


def _observation_box(head: Array, notes: list[str]) -> spaces.Box:
    shape = head.shape[1:]
    if head.dtype == np.uint8 and len(shape) in (3, 4):
        return spaces.Box(0, 255, shape, np.uint8)
    if head.dtype.kind != "f":
        notes.append("whole-number observations are read as plain numbers: if they are codes, give observation_space")
    return spaces.Box(-np.inf, np.inf, shape, np.float32)


def infer_action_space(blocks: Iterable[Array], notes: list[str]) -> Space:
    """Returns a Discrete, MultiDiscrete or Box, from the type and the range of all actions.

    Args:
        blocks: The action column, ``[n, *shape]`` each.
        notes: Notes on what was assumed; extended.

    Raises:
        DatasetFormatError: If blocks differ in kind or shape.
        InvalidTransitionsError: If an action is not finite.
    """
    low, high, first = _range(blocks)
    shape = first.shape[1:]
    if first.dtype.kind == "f":
        return _action_box(low, high, shape or (1,), notes)
    start = min(int(low.min()), 0)
    notes.append(f"the number of actions is inferred (largest: {int(high.max())}): if it is wrong, give action_space")
    if int(np.prod(shape)) == 1:
        return spaces.Discrete(int(high.max()) - start + 1, start=start)
    return spaces.MultiDiscrete(high.astype(np.int64) - start + 1, start=np.full(shape, start, np.int64))


def _action_box(low: Array, high: Array, shape: tuple[int, ...], notes: list[str]) -> spaces.Box:
    if low.min() >= -1 and high.max() <= 1:
        notes.append("the bounds of the actions are assumed to be [-1, 1]: if they are wider, give action_space")
        return spaces.Box(-1, 1, shape, np.float32)
    notes.append("the bounds of the actions are the data's extremes: if they are wider, give action_space")
    low, high = (np.asarray(a, np.float32).reshape(shape) for a in (low, high))
    return spaces.Box(low, high, dtype=np.float32)


def _range(blocks: Iterable[Array]) -> tuple[Array, Array, Array]:
    """Returns the smallest and largest value ``[*shape]`` of each action dimension, and a zero-row block."""
    low: Array | None = None
    for block in blocks:
        if not len(block):
            continue
        if not np.isfinite(block).all():
            raise InvalidTransitionsError("actions hold NaN or infinity. Drop these rows before the dataset is used.")
        if low is None:
            first, low, high = block[:0], block.min(axis=0), block.max(axis=0)
            continue
        require_same_kind("actions", first, block)
        low, high = np.minimum(low, block.min(axis=0)), np.maximum(high, block.max(axis=0))
    if low is None:
        raise DatasetFormatError("The dataset holds no transitions.")
    return low, high, first


def require_same_kind(name: str, first: Array, other: Array) -> None:
    """Checks that two blocks of a column have the same shape and kind of numbers.

    Args:
        name: Name of the column, for errors.
        first: First block, ``[n, ...]``.
        other: Another block, ``[m, ...]``.

    Raises:
        DatasetFormatError: If shapes differ, or one holds floats and the other whole numbers.
    """
    kinds = [("whole numbers" if a.dtype.kind in "biu" else str(a.dtype.kind), a.shape[1:]) for a in (first, other)]
    if kinds[0] != kinds[1]:
        described = " and ".join(f"{a.dtype} of shape {a.shape[1:]}" for a in (first, other))
        raise DatasetFormatError(f"{name} mix types: {described}. Use one dataset per environment and action type.")
