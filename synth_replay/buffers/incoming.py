"""Checks rows before a host stores them, because a row of a replay buffer cannot be dropped later."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from synth_replay.errors import InvalidTransitionsError
from synth_replay.spaces import Array


def refuse_nonfinite(columns: Mapping[str, Any], step: int, position: int) -> None:
    """Refuses NaN and infinity in one step of one or more environments, before it is stored.

    Args:
        columns: Arrays ``[n_envs, ...]`` by their name in the error, such as ``reward``; Dict observations are dicts.
        step: Environment steps before this one; each environment counts as one.
        position: Position in the buffer that the step would get.

    Raises:
        InvalidTransitionsError: If a value is not finite; the text names it, its environment and its step.
    """
    for name, value in columns.items():
        if isinstance(value, dict):
            refuse_nonfinite({f"{name} {key!r}": part for key, part in value.items()}, step, position)
        elif isinstance(value, np.ndarray) and value.dtype.kind == "f" and not math.isfinite(np.vdot(value, value)):
            _refuse(name, value, step, position)  # returns if only the sum of squares overflowed


def _refuse(name: str, values: Array, step: int, position: int) -> None:
    rows = values.reshape(len(values), -1)
    bad = ~np.isfinite(rows)
    if bad.any():
        number = int(np.flatnonzero(bad.any(axis=1))[0])
        raise InvalidTransitionsError(
            f"The {name} of environment {number} is {rows[number][bad[number]][0]} at environment step "
            f"{step + number + 1} (position {position} of the buffer). It was not stored. A generator cannot be fitted "
            "to such a row, and a replay buffer cannot drop it later: find out why the environment or the policy gives "
            "this value."
        )
