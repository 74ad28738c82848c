"""Transitions as columns, and the specification that says what a valid row is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from gymnasium import spaces

from synth_replay.errors import InvalidTransitionsError, SpaceDescriptionError, SpecMismatchError
from synth_replay.safe_paths import shown
from synth_replay.spaces import Array, Leaf, as_matrix, space_from_dict, space_leaves, space_to_dict

Nested = Array | dict[str, Any]

EXTRA_COLUMNS = ("discounts", "intervals", "next_actions", "returns_to_go")
SCALARS = ("rewards", "terminations", "truncations", "discounts", "intervals", "returns_to_go")


@dataclass(frozen=True, eq=False)
class Transitions:
    """Columns of environment transitions, under Gymnasium's and Minari's names.

    Every column has the same number ``n`` of rows. Scalars may be given as ``[n]`` or ``[n, 1]`` and are stored as
    ``[n]``; terminations and truncations are stored as bool.

    Args:
        observations: Observations before the step, ``[n, *shape]``; a dict of arrays for Dict spaces.
        actions: Actions ``[n, *shape]`` in environment units (``[n]`` for Discrete).
        rewards: Rewards ``[n]``.
        next_observations: Observations after the step, with the structure of ``observations``.
        terminations: Flags ``[n]`` of true terminations; a time limit is a truncation, not a termination.
        truncations: Flags ``[n]`` or None. They are never modelled.
        discounts: Bootstrap discounts ``[n]`` of n-step transitions, or None.
        intervals: Steps ``[n]`` between observation and next observation, or None.
        next_actions: Actions of the following step, with the shape of ``actions``, or None.
        returns_to_go: Sums of rewards ``[n]`` until the end of the episode, or None.

    Raises:
        InvalidTransitionsError: If lengths differ or a flag is neither 0 nor 1.
    """

    observations: Any
    actions: Any
    rewards: Any
    next_observations: Any
    terminations: Any
    truncations: Any = None
    discounts: Any = None
    intervals: Any = None
    next_actions: Any = None
    returns_to_go: Any = None

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None:
                object.__setattr__(self, field.name, _column(field.name, value))
        lengths = {name: len(column) for name, column in self.leaves().items()}
        if len(set(lengths.values())) > 1:
            raise InvalidTransitionsError(f"All columns need the same number of rows; got {_some(lengths.items())}.")

    def __len__(self) -> int:
        return len(self.rewards)

    def columns(self) -> dict[str, Nested]:
        """Returns the columns that are present, by name; Dict observations stay nested."""
        present = {f.name: getattr(self, f.name) for f in fields(self)}
        return {name: column for name, column in present.items() if column is not None}

    def leaves(self) -> dict[str, Array]:
        """Returns the columns as flat arrays by name; a Dict key reads ``observations/key``."""
        return {name: a for column, value in self.columns().items() for name, a in _walk(column, value)}

    @classmethod
    def from_leaves(cls, leaves: Mapping[str, Array]) -> Transitions:
        """Builds transitions from flat arrays; the inverse of :meth:`leaves`."""
        columns: dict[str, Any] = {}
        for name, array in leaves.items():
            head, *rest = name.split("/")
            if not rest:
                columns[head] = array
                continue
            node = columns.setdefault(head, {})
            for key in rest[:-1]:
                node = node.setdefault(key, {})
            node[rest[-1]] = array
        return cls(**columns)

    def map(self, function: Callable[[Array], Array]) -> Transitions:
        """Returns transitions whose flat arrays are ``function`` of these."""
        return Transitions.from_leaves({name: function(a) for name, a in self.leaves().items()})

    def __getitem__(self, index: Any) -> Transitions:
        """Selects rows by slice, mask or index array."""
        return self.map(lambda a: a[index])

    def to_torch(self, device: str | torch.device = "cpu") -> dict[str, torch.Tensor]:
        """Returns the flat arrays as tensors on ``device`` (sharing memory on the CPU); flags become float32."""
        cast = {k: a.astype(np.float32) if a.dtype == bool else a for k, a in self.leaves().items()}
        return {name: torch.as_tensor(a, device=device) for name, a in cast.items()}

    @staticmethod
    def concatenate(parts: Sequence[Transitions]) -> Transitions:
        """Joins transitions that have the same columns, in the given order."""
        leaves = [part.leaves() for part in parts]
        return Transitions.from_leaves({k: np.concatenate([p[k] for p in leaves]) for k in leaves[0]})


def _walk(name: str, value: Nested) -> Iterator[tuple[str, Array]]:
    if isinstance(value, dict):
        for key, child in value.items():
            yield from _walk(f"{name}/{key}", child)
    else:
        yield name, value


def _column(name: str, value: Any) -> Nested:
    if isinstance(value, Mapping):
        return {key: _column(f"{name}/{key}", child) for key, child in value.items()}
    array = value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)
    if array.ndim == 0 or array.dtype == object:
        raise InvalidTransitionsError(f"{name} must be an array with one entry per row, not {value!r:.60}.")
    if name in SCALARS:
        if array.size != len(array):
            raise InvalidTransitionsError(f"{name} needs one number per row; got shape {array.shape}.")
        array = array.reshape(-1)
    return _flags(name, array) if name in ("terminations", "truncations") else array


def _flags(name: str, array: Array) -> Array:
    if array.dtype != bool:
        if not np.isin(array, (0, 1)).all():
            raise InvalidTransitionsError(f"{name} may only hold 0 and 1.")
        array = array.astype(bool)
    return array


class TransitionSpec:
    """Shapes, dtypes, bounds and kinds of every column, built from Gymnasium spaces.

    Args:
        observation_space: Box, Discrete, MultiDiscrete, MultiBinary or a Dict of these.
        action_space: Box, Discrete, MultiDiscrete or MultiBinary.
        extras: Names of extra columns to model, some of :data:`EXTRA_COLUMNS`.

    Raises:
        UnsupportedSpaceError: If a space is of another type.
        ImageObservationError: If observations are pixels.
        SpecMismatchError: If an extra column is unknown.
    """

    def __init__(
        self, observation_space: spaces.Space[Any], action_space: spaces.Space[Any], extras: Sequence[str] = ()
    ) -> None:
        unknown = set(extras) - set(EXTRA_COLUMNS)
        if unknown:
            raise SpecMismatchError(f"Unknown extra columns {sorted(unknown)}; known are {EXTRA_COLUMNS}.")
        self.observation_space = observation_space
        self.action_space = action_space
        self.extras = tuple(name for name in EXTRA_COLUMNS if name in extras)
        leaves = [*space_leaves("observations", observation_space), *space_leaves("actions", action_space)]
        leaves.append(_scalar("rewards"))
        leaves.extend(space_leaves("next_observations", observation_space))
        for name in self.extras:
            leaves.extend(space_leaves(name, action_space) if name == "next_actions" else [_scalar(name)])
        zero, one = np.zeros(()), np.ones(())
        leaves.append(Leaf("terminations", (), np.dtype(bool), "categorical", zero, one, (2,)))
        self.leaves: tuple[Leaf, ...] = tuple(leaves)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TransitionSpec) and self.to_dict() == other.to_dict()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"TransitionSpec({self.observation_space}, {self.action_space}, extras={self.extras})"

    def with_extras(self, extras: Sequence[str]) -> TransitionSpec:
        """Returns a spec of the same spaces with other extra columns."""
        return TransitionSpec(self.observation_space, self.action_space, extras)

    def check(self, transitions: Transitions) -> None:
        """Checks rows against the spec before any work is done with them.

        Raises:
            SpecMismatchError: If columns are missing or have another shape.
            InvalidTransitionsError: If a value is not finite, an action is outside its
                bounds, or a category does not exist.
        """
        columns = transitions.leaves()
        for leaf in self.leaves:
            if leaf.name not in columns:
                raise SpecMismatchError(f"Column {leaf.name!r} is missing; got {_some(sorted(columns))}.")
            array = columns[leaf.name]
            if array.shape[1:] != leaf.shape:
                raise SpecMismatchError(
                    f"{leaf.name} has rows of shape {array.shape[1:]}, the space says {leaf.shape}: "
                    "was this collected in another environment?"
                )
            _check_values(leaf, array)

    def to_dict(self) -> dict[str, Any]:
        """Describes the spec in JSON types; :meth:`from_dict` is the inverse."""
        spaces_ = {n: space_to_dict(getattr(self, n)) for n in ("observation_space", "action_space")}
        return spaces_ | {"extras": list(self.extras)}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> TransitionSpec:
        """Rebuilds a spec from the description that :meth:`to_dict` returned.

        Raises:
            SpaceDescriptionError: If it is damaged.
            SpecMismatchError: If it names an extra column that is unknown.
        """
        if not isinstance(data, dict) or not isinstance(data.get("extras"), list):
            raise SpaceDescriptionError("The description of a spec is damaged: it needs two spaces and extras.")
        observation, action = (space_from_dict(data.get(n)) for n in ("observation_space", "action_space"))
        if not all(isinstance(name, str) for name in data["extras"]):
            raise SpecMismatchError(f"Extra columns are names; got {shown(data['extras'])}.")
        return cls(observation, action, data["extras"])


def _scalar(name: str) -> Leaf:
    bound = np.full((), np.inf)
    return Leaf(name, (), np.dtype(np.float32), "continuous", -bound, bound)


def _some(items: Iterable[Any], limit: int = 20) -> str:
    """Returns at most ``limit`` items as text for an error."""
    held = list(items)
    return ", ".join(map(str, held[:limit])) + (f" and {len(held) - limit:,} more" if len(held) > limit else "")


def _outside(leaf: Leaf, low: Array, high: Array, slack: Array) -> str:
    """Describes the first dimension that leaves its space, from the extremes ``[*shape]`` of all rows."""
    bad = np.flatnonzero(np.asarray((low < leaf.low - slack) | (high > leaf.high + slack)))[0]
    values, bounds = ([float(np.ravel(a)[bad]) for a in pair] for pair in ((low, high), (leaf.low, leaf.high)))
    where = f" in dimension {bad}" if leaf.size > 1 else ""
    return f"range from {values[0]:g} to {values[1]:g}{where}, outside the space's [{bounds[0]:g}, {bounds[1]:g}]"


def _check_values(leaf: Leaf, array: Array) -> None:
    if leaf.name == "terminations" or not len(array):
        return
    if array.dtype.kind not in "biuf":
        raise InvalidTransitionsError(f"{leaf.name} must hold real numbers, not {array.dtype}.")
    bad = np.flatnonzero(~np.isfinite(as_matrix(array)).all(axis=1))
    if len(bad):
        raise InvalidTransitionsError(
            f"{leaf.name} holds NaN or infinity in {len(bad)} of {len(array)} rows (first: row {bad[0]}). "
            "Drop these rows, or find out why the environment or the policy produced them."
        )
    if leaf.kind == "continuous" and not leaf.name.endswith("actions"):
        return  # some environments leave their declared space: such observations are valid
    slack = 1e-4 * (leaf.high - leaf.low) if leaf.kind == "continuous" else np.zeros_like(leaf.high)
    slack = np.where(np.isfinite(slack), slack, 0)
    low, high = array.min(axis=0), array.max(axis=0)
    if (low < leaf.low - slack).any() or (high > leaf.high + slack).any():
        raise InvalidTransitionsError(
            f"{leaf.name} {_outside(leaf, low, high, slack)}. Give values in environment units, not rescaled ones."
        )
    if leaf.kind == "categorical" and (array != np.round(array)).any():
        raise InvalidTransitionsError(f"{leaf.name} must be whole category numbers.")
