"""Inference of observation and action spaces for datasets that do not store them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces

from synth_replay.datasets.column_names import require_scalars
from synth_replay.datasets.column_summary import Summary, merges_in_float32, summarize
from synth_replay.datasets.columns import conform
from synth_replay.datasets.dataset import ReadOptions
from synth_replay.datasets.memory import require_memory, row_bytes
from synth_replay.datasets.spec_header import Spaces
from synth_replay.spaces import MAX_CATEGORIES, Array
from synth_replay.transitions import TransitionSpec

Space = spaces.Space[Any]
Columns = Callable[[str], Iterable[Array]]

WHOLE_NOTE = "whole-number observations are read as plain numbers: if they are codes, give observation_space"
CODES_NOTE = (
    "the actions are whole numbers from 0 to {high} in a float column: they are read as codes, Discrete({count}). If "
    "they are amounts, give action_space as a Box"
)
WHOLE_ACTIONS_NOTE = (
    "all actions are whole numbers and are read as amounts: if they are codes of discrete actions, give action_space"
)
FLOAT64_NOTE = "{name} are kept in float64, because float32 would merge values that differ"
LOST_NOTE = (
    "{name} are float64 and are read as {dtype}, which merges values that differ: subtract an offset from the column"
)


def resolve_spec(
    path: Path,
    options: ReadOptions,
    stored: Spaces,
    heads: Mapping[str, Array],
    columns: Columns,
    extras: Iterable[str] = (),
) -> tuple[TransitionSpec, list[str]]:
    """Chooses the spec of a dataset: from the caller's spaces, else the file's, else inferred from the data.

    Args:
        path: File to name in errors.
        options: The caller's spaces.
        stored: The file's observation and action space; None where the file does not store it.
        heads: Zero-row arrays ``[0, *shape]`` of every leaf that the file holds.
        columns: Streams a column by leaf name, to infer an unknown action space and to find what needs float64.
        extras: Names of the file's extra columns.

    Returns:
        The spec, and notes on what was assumed.

    Raises:
        SpecMismatchError: If the spaces do not fit the shapes in the file.
        InvalidTransitionsError: If a scalar column has several numbers per row, or an action is not finite.
        DatasetFormatError: If the actions are of mixed types.
        DatasetError: If the bounds of one row do not fit into memory.
    """
    require_scalars(path, heads)
    require_memory(path, 16 * row_bytes(heads), "the bounds of a single row", "No machine of this size can use it.")
    notes: list[str] = []
    observation_space = options.observation_space or stored[0]
    if observation_space is None:
        observation_space = infer_observation_space(heads, notes, columns)
    action_space = options.action_space or stored[1]
    if action_space is None:
        action_space = infer_action_space(summarize(path, "actions", columns("actions")), notes)
    spec = TransitionSpec(observation_space, action_space, list(extras))
    conform(spec, heads)
    return spec, list(dict.fromkeys(notes + _losses(spec, heads, columns)))


def _losses(spec: TransitionSpec, heads: Mapping[str, Array], columns: Columns) -> list[str]:
    """Returns notes on the columns whose float64 values the spec's float32 merges."""
    narrow = [
        leaf
        for leaf in spec.leaves
        if leaf.dtype == np.float32 and heads[leaf.name].dtype == np.float64 and not leaf.name.startswith("next_")
    ]
    lost = [leaf for leaf in narrow if merges_in_float32(columns(leaf.name))]
    return [LOST_NOTE.format(name=leaf.name, dtype=leaf.dtype) for leaf in lost]


def infer_observation_space(heads: Mapping[str, Array], notes: list[str], columns: Columns) -> Space:
    """Returns an unbounded Box for each observation leaf; a uint8 Box for images, which the spec then refuses.

    A float64 column whose values float32 would merge becomes a float64 Box, any other a float32 Box.

    Args:
        heads: Zero-row arrays ``[0, *shape]`` by leaf name.
        notes: Notes on what was assumed; extended.
        columns: Streams a column by leaf name.
    """
    found: dict[str, Any] = {}
    for name, head in heads.items():
        top, *keys = name.split("/")
        if top != "observations":
            continue
        box = _observation_box(name, head, notes, columns)
        if not keys:
            return box
        node = found
        for key in keys[:-1]:
            node = node.setdefault(key, {})
        node[keys[-1]] = box
    return _nested(found)


def _nested(found: dict[str, Any]) -> spaces.Dict:
    return spaces.Dict({key: _nested(s) if isinstance(s, dict) else s for key, s in found.items()})


def _observation_box(name: str, head: Array, notes: list[str], columns: Columns) -> spaces.Box:
    shape = head.shape[1:]
    if head.dtype == np.uint8 and len(shape) in (3, 4):
        return spaces.Box(0, 255, shape, np.uint8)
    if head.dtype.kind != "f":
        notes.append(WHOLE_NOTE)
    if merges_in_float32(columns(name) if head.dtype.kind == "f" and head.dtype.itemsize > 4 else ()):
        notes.append(FLOAT64_NOTE.format(name=name))
        return spaces.Box(-np.inf, np.inf, shape, np.float64)
    return spaces.Box(-np.inf, np.inf, shape, np.float32)


def infer_action_space(actions: Summary, notes: list[str]) -> Space:
    """Returns a Discrete, MultiDiscrete or Box, from the type and the range of all actions.

    Args:
        actions: Summary of the action column.
        notes: Notes on what was assumed; extended.
    """
    shape = actions.head.shape[1:]
    if actions.head.dtype.kind == "f":
        return _float_actions(actions, shape or (1,), notes)
    start, largest = min(int(actions.low.min()), 0), int(actions.high.max())
    notes.append(f"the number of actions is inferred (largest: {largest}): if it is wrong, give action_space")
    if int(np.prod(shape)) == 1:
        return spaces.Discrete(largest - start + 1, start=start)
    return spaces.MultiDiscrete(actions.high.astype(np.int64) - start + 1, start=np.full(shape, start, np.int64))


def are_codes(actions: Summary) -> bool:
    """Whether float actions are read as codes of discrete actions, as d3rlpy reads them.

    They are codes if each action is one whole number from 0 to 4095, and not all are 0.

    Args:
        actions: Summary of the action column.
    """
    one = int(np.prod(actions.head.shape[1:])) == 1
    return bool(one and actions.whole and actions.low.min() >= 0 and 1 <= actions.high.max() < MAX_CATEGORIES)


def _float_actions(actions: Summary, shape: tuple[int, ...], notes: list[str]) -> Space:
    if are_codes(actions):
        high = int(actions.high.max())
        notes.append(CODES_NOTE.format(high=high, count=high + 1))
        return spaces.Discrete(high + 1)
    if actions.whole and actions.low.min() < actions.high.max():
        notes.append(WHOLE_ACTIONS_NOTE)
    if actions.low.min() >= -1 and actions.high.max() <= 1:
        notes.append("the bounds of the actions are assumed to be [-1, 1]: if they are wider, give action_space")
        return spaces.Box(-1, 1, shape, np.float64 if actions.merges else np.float32)
    notes.append("the bounds of the actions are the data's extremes: if they are wider, give action_space")
    if actions.merges:
        notes.append(FLOAT64_NOTE.format(name="actions"))
    dtype: Any = np.float64 if actions.merges else np.float32
    bounds: list[Any] = [np.asarray(bound, dtype).reshape(shape) for bound in (actions.low, actions.high)]
    return spaces.Box(bounds[0], bounds[1], dtype=dtype)
