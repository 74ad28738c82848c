"""TorchRL's specs as Gymnasium spaces, and its tensordicts as transitions."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from tensordict import TensorDict, TensorDictBase
from torch import Tensor
from torchrl.data import (
    Binary,
    Bounded,
    Categorical,
    Composite,
    MultiCategorical,
    MultiOneHot,
    OneHot,
    TensorSpec,
    Unbounded,
)

from synth_replay.buffers.store import HostColumns
from synth_replay.errors import ConfigError, InvalidTransitionsError, UnsupportedBufferError, UnsupportedSpaceError
from synth_replay.spaces import Array
from synth_replay.transitions import Transitions
from synth_replay_torchrl.refusals import refuse_dtype, refuse_key

ACTION, REWARD, INDEX = "action", "reward", "index"
FLAGS = ("done", "terminated", "truncated")
N_STEP_KEYS = ("steps_to_next_obs", "original_reward")
BOOKKEEPING = ("collector", "traj_ids", "is_init")


def space_of(name: str, spec: TensorSpec) -> spaces.Space[Any]:
    """Returns the Gymnasium space of a spec without batch dimensions.

    Raises:
        UnsupportedSpaceError: If its values cannot be modelled.
    """
    refuse_dtype(name, spec)
    if isinstance(spec, MultiOneHot) or (_is_category(spec) and int(np.prod(_shape(spec))) != 1):
        raise UnsupportedSpaceError(f"{name}: {spec} holds several categories; use MultiCategorical.")
    if isinstance(spec, MultiCategorical):  # this and the next are Categorical as well
        return spaces.MultiDiscrete(np.asarray(spec.nvec.cpu()))
    if isinstance(spec, Binary):
        return spaces.MultiBinary(tuple(spec.shape))
    if isinstance(spec, (OneHot, Categorical)):
        return spaces.Discrete(int(spec.space.n))
    if spec.dtype == torch.bool and isinstance(spec, (Bounded, Unbounded)):
        return spaces.MultiBinary(tuple(spec.shape))
    if isinstance(spec, Bounded):
        low, high = (bound.expand(spec.shape).cpu().numpy() for bound in (spec.space.low, spec.space.high))
        return spaces.Box(low, high, dtype=low.dtype)
    if isinstance(spec, Unbounded):
        kind: Any = np.dtype(str(spec.dtype).removeprefix("torch."))
        return spaces.Box(-np.inf, np.inf, tuple(spec.shape), kind)
    raise UnsupportedSpaceError(
        f"{name}: {type(spec).__name__} cannot be modelled; use Bounded, Unbounded, OneHot, Categorical, "
        "MultiCategorical or Binary, or choose other observation_keys."
    )


@dataclass(frozen=True)
class Layout:
    """Which keys of a tensordict make a transition, and how their values are written.

    Attributes:
        observations: Spec of each observation key.
        action: Spec of the action.
    """

    observations: Mapping[str, TensorSpec]
    action: TensorSpec
    _dropped: set[Any] = field(default_factory=set)

    @classmethod
    def of(cls, observation_spec: Composite, action_spec: TensorSpec, keys: Sequence[str] | None) -> Layout:
        """Returns the layout of an environment's transitions.

        Args:
            observation_spec: Specs of single observations by key, without batch dimensions.
            action_spec: Spec of a single action.
            keys: Keys of the observations to model; None takes all.

        Raises:
            ConfigError: If a key is not there, or nested.
        """
        found = dict(observation_spec.items(True, True))
        wanted = list(found) if keys is None else list(keys)
        for key in wanted:
            if key not in found or not isinstance(key, str):
                refuse_key(key, found)
        if isinstance(action_spec, Composite):
            raise ConfigError(f"One action under {ACTION!r} is modelled; got {list(action_spec.keys(True, True))}.")
        return cls({key: found[key] for key in wanted}, action_spec)

    @property
    def observation_space(self) -> spaces.Space[Any]:
        """Space of one observation; a Dict for several keys."""
        held = {key: space_of(key, spec) for key, spec in self.observations.items()}
        return spaces.Dict(held) if len(held) > 1 else next(iter(held.values()))

    @property
    def action_space(self) -> spaces.Space[Any]:
        """Space of one action."""
        return space_of(ACTION, self.action)

    @property
    def keys(self) -> list[Any]:
        """Keys that TorchRL's own collectors store of a transition."""
        root = [*self.observations, ACTION, *FLAGS]
        return [*root, *(("next", key) for key in (*self.observations, REWARD, *FLAGS))]

    # -- from TorchRL -----------------------------------------------------------------------

    def check(self, rows: TensorDictBase, ndim: int) -> None:
        """Checks that these are transitions, one by one.

        Raises:
            InvalidTransitionsError: If keys are missing, or there are other batch dimensions.
            UnsupportedBufferError: If rewards are summed over several steps.
        """
        if rows.ndim != ndim:
            raise InvalidTransitionsError(
                f"Transitions come one by one: extend() takes data.reshape(-1); got the batch size {list(rows.shape)}."
            )
        needed = self._needed
        held = set(rows.keys(True, True))
        if missing := [key for key in needed if key not in held]:
            raise InvalidTransitionsError(f"A transition needs the keys {needed}; {missing} are not there.")
        if any(key in held or ("next", key) in held for key in N_STEP_KEYS):
            raise UnsupportedBufferError(
                "Rewards are summed over several steps (MultiStep): generated rows are single steps. Leave it out."
            )

    @property
    def _needed(self) -> list[Any]:
        return [*self.observations, ACTION, *(("next", key) for key in (*self.observations, REWARD))]

    def refuse_nonfinite(self, rows: TensorDictBase, step: int) -> None:
        """Refuses NaN and infinity before rows are stored, because stored rows cannot be dropped later.

        Args:
            rows: One transition, or a flat batch of them.
            step: Environment steps before these.

        Raises:
            InvalidTransitionsError: If a value is not finite; the text names its key and its step.
        """
        for key in self._needed:
            values = rows.get(key)
            if values.is_floating_point() and not values.isfinite().all():
                bad = ~values.reshape(max(rows.numel(), 1), -1).isfinite().all(dim=1)
                number = int(bad.nonzero()[0, 0])
                raise InvalidTransitionsError(
                    f"{key} holds NaN or infinity in row {number}, environment step {step + number + 1}. Nothing was "
                    "stored: a generator cannot be fitted to such a row. Find out why the environment or the policy "
                    "gives this value."
                )

    def transitions(self, rows: TensorDictBase) -> Transitions:
        """Returns a tensordict's rows in Gymnasium's form."""
        after = rows.get("next")
        return Transitions(
            self._observed(rows),
            _read(rows.get(ACTION), self.action),
            _numpy(after.get(REWARD)).reshape(-1),
            self._observed(after),
            _terminations(after),
        )

    def _observed(self, rows: TensorDictBase) -> Any:
        held = {key: _read(rows.get(key), spec) for key, spec in self.observations.items()}
        return held if len(held) > 1 else next(iter(held.values()))

    # -- to TorchRL -------------------------------------------------------------------------

    def columns(self, rows: Transitions) -> HostColumns:
        """Returns rows as flat arrays for a store; categories are numbers."""
        return {name: array for name, array in rows.leaves().items() if name != "truncations"}

    def tensordict(
        self, columns: Mapping[str, Array], like: TensorDictBase | None = None, device: torch.device | None = None
    ) -> TensorDict:
        """Returns columns of a store under TorchRL's keys.

        Args:
            columns: Columns as :meth:`columns` makes them.
            like: Stored row whose keys, shapes and dtypes are used; None takes what TorchRL's collectors store. Other
                keys are left out, with a warning.
            device: Device of the result; None names no device, as collectors do.
        """
        count = len(columns["rewards"])
        wanted = dict.fromkeys([*self.keys, INDEX]) if like is None else dict(like.items(True, True))
        made = {key: self._value(key, columns, count) for key in wanted}
        self._mention({key for key, value in made.items() if value is None})
        known = {key: _like(value, wanted[key]) for key, value in made.items() if value is not None}
        return nested(known, count, device)

    def _value(self, key: Any, columns: Mapping[str, Array], count: int) -> Tensor | None:
        after = isinstance(key, tuple) and len(key) == 2 and key[0] == "next"
        name = key[1] if after else key
        if name in self.observations:
            column = "next_observations" if after else "observations"
            column = f"{column}/{name}" if len(self.observations) > 1 else column
            return _written(columns[column], self.observations[name])
        if key == ACTION:
            return _written(columns["actions"], self.action)
        if after and name == REWARD:
            return torch.from_numpy(columns["rewards"].astype(np.float32, copy=False))[:, None]
        if name in FLAGS:
            return torch.from_numpy(_flag(name, columns) if after else np.zeros(count, bool))[:, None]
        return torch.full((count,), -1) if key == INDEX else None

    def _mention(self, dropped: set[Any]) -> None:
        unknown = {key for key in dropped - self._dropped if not _is_bookkeeping(key)}
        self._dropped.update(dropped)
        if unknown:
            warnings.warn(
                f"The keys {sorted(map(str, unknown))} are not generated: batches with generated rows leave them out.",
                stacklevel=5,
            )


def _is_bookkeeping(key: Any) -> bool:
    path = [name for name in (key if isinstance(key, tuple) else (key,)) if name != "next"]
    return bool(path) and path[0] in BOOKKEEPING


def _like(value: Tensor, stored: Tensor | None) -> Tensor:
    return value if stored is None else value.reshape(len(value), *stored.shape[1:]).to(stored.dtype)


def nested(leaves: Mapping[Any, Tensor], count: int, device: torch.device | None = None) -> TensorDict:
    """Returns a tensordict of ``count`` rows, made in one go: key by key is several times slower."""
    found: dict[str, Any] = {}
    for key, value in leaves.items():
        *path, last = key if isinstance(key, tuple) else (key,)
        inner = found
        for name in path:
            inner = inner.setdefault(name, {})
        inner[last] = value
    return TensorDict(found, batch_size=[count], device=device)


def _flag(name: str, columns: Mapping[str, Array]) -> Array:
    """Returns a flag of the next step; generated rows are never truncated."""
    ended = columns["terminations"]
    cut = columns.get("truncations", np.zeros_like(ended))
    flag: Array = {"terminated": ended, "truncated": cut, "done": ended | cut}[name]
    return flag


def _shape(spec: TensorSpec) -> tuple[int, ...]:
    """Returns the shape of a spec's categories."""
    return tuple(spec.shape[:-1] if isinstance(spec, OneHot) else spec.shape)


def _is_category(spec: TensorSpec) -> bool:
    """Returns whether a spec is of one category; two more of TorchRL's specs inherit from Categorical."""
    return isinstance(spec, (OneHot, Categorical)) and not isinstance(spec, (MultiCategorical, Binary))


def _numpy(tensor: Tensor) -> Array:
    plain = tensor.detach().cpu()
    array: Array = (plain.float() if plain.dtype == torch.bfloat16 else plain).numpy()  # NumPy has no bfloat16
    return array


def _read(values: Tensor, spec: TensorSpec) -> Array:
    if isinstance(spec, OneHot):
        return _numpy(values.to(torch.int8).argmax(-1))
    array = _numpy(values)
    return array.reshape(len(array)) if _is_category(spec) else array


def _written(column: Array, spec: TensorSpec) -> Tensor:
    values = torch.from_numpy(np.ascontiguousarray(column))
    if isinstance(spec, OneHot):
        return torch.nn.functional.one_hot(values.long(), int(spec.space.n)).to(spec.dtype)
    return values.reshape(-1, *spec.shape).to(spec.dtype)


def _terminations(after: TensorDictBase) -> Array:
    """Returns true terminations: a time limit sets ``done`` and ``truncated``, not ``terminated``."""
    flags = {name: after.get(name, None) for name in FLAGS}
    if flags["terminated"] is not None:
        return _numpy(flags["terminated"]).reshape(-1)
    if flags["done"] is None:
        raise InvalidTransitionsError("A transition needs ('next', 'terminated') or ('next', 'done').")
    done = _numpy(flags["done"]).reshape(-1)
    return done if flags["truncated"] is None else done & ~_numpy(flags["truncated"]).reshape(-1)
