"""A check of rows as a host stores them: a row of a replay buffer cannot be dropped later."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from synth_replay.errors import InvalidTransitionsError


def refuse_nonfinite(columns: Mapping[str, Any], step: int, position: int) -> None:
    """Refuses NaN and infinity in one step of one or more environments, before it is stored.

    Args:
        columns: Values ``[n_envs, ...]`` by what they are called, such as ``reward``; Dict observations are mappings.
        step: Environment steps before this one; each environment counts as one.
        position: Position in the buffer that the step would get.

    Raises:
        InvalidTransitionsError: If a value is not finite; the text names it, its environment and its step.
    """
    for name, value in columns.items():
        if isinstance(value, Mapping):
            refuse_nonfinite({f"{name} {key!r}": part for key, part in value.items()}, step, position)
            continue
        array = np.asarray(value)
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            rows = array.reshape(len(array), -1)
            number = int(np.flatnonzero(~np.isfinite(rows).all(axis=1))[0])
            found = rows[number][~np.isfinite(rows[number])][0]
            raise InvalidTransitionsError(
                f"The {name} of environment {number} is {found} at environment step {step + number + 1} (position "
                f"{position} of the buffer). It was not stored. A generator cannot be fitted to such a row, and a "
                "replay buffer cannot drop it later: find out why the environment or the policy gives this value."
            )
