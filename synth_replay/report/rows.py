"""The rows that a report compares, checked."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from synth_replay.errors import InvalidTransitionsError, SpecMismatchError
from synth_replay.evaluation.fidelity import numeric_columns
from synth_replay.spaces import Array
from synth_replay.transitions import Transitions


@dataclass(frozen=True, eq=False)
class Rows:
    """Three sets of rows, each also as a matrix of its compared columns.

    Attributes:
        fitted: What the generator was fitted on.
        real: What generated rows are compared with: held-out rows, or the fitted ones again.
        synthetic: Generated.
        held_out: ``real`` was not fitted.
        names: ``[D]`` names of the compared columns.
        fitted_values: ``[n, D]``.
        real_values: ``[k, D]``.
        synthetic_values: ``[m, D]``.
    """

    fitted: Transitions
    real: Transitions
    synthetic: Transitions
    held_out: bool
    names: list[str]
    fitted_values: Array
    real_values: Array
    synthetic_values: Array


def comparable_rows(fitted: Transitions, synthetic: Transitions, holdout: Transitions | None) -> Rows:
    """Refuses rows that cannot be compared, before any work is done with them.

    Raises:
        SpecMismatchError: If columns differ.
        InvalidTransitionsError: If rows are missing or not finite.
    """
    real = fitted if holdout is None else holdout
    tables = {"real": fitted, "synthetic": synthetic, "holdout": real}
    for label, rows in tables.items():
        if not len(rows):
            raise InvalidTransitionsError(f"{label} is empty: a report needs at least one row.")
    found = {label: numeric_columns(rows) for label, rows in tables.items()}
    names = found["real"][1]
    for label, (values, columns) in found.items():
        if columns != names:
            raise SpecMismatchError(f"real has the columns {names}, {label} has {columns}.")
        bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
        if len(bad):
            raise InvalidTransitionsError(
                f"{label} holds NaN or infinity in {len(bad)} of {len(values)} rows (first: row {bad[0]}): drop them."
            )
    matrices = [found[label][0] for label in ("real", "holdout", "synthetic")]
    return Rows(fitted, real, synthetic, holdout is not None, names, *matrices)
