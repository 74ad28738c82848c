"""The rows that a report compares, and their checks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from synth_replay.errors import InvalidTransitionsError, SpecMismatchError
from synth_replay.evaluation.fidelity import check_columns, numeric_columns
from synth_replay.spaces import Array
from synth_replay.transitions import Transitions


@dataclass(frozen=True, eq=False)
class Rows:
    """Three sets of rows, each also as a matrix of its compared columns.

    Attributes:
        fitted: Rows that the generator was fitted on.
        real: Rows that generated rows are compared with: held-out rows, or the fitted rows again.
        synthetic: Generated rows.
        held_out: Whether ``real`` are held-out rows.
        names: Names of the D compared columns.
        fitted_values: Matrix ``[n, D]`` of the fitted rows.
        real_values: Matrix ``[k, D]`` of the real rows.
        synthetic_values: Matrix ``[m, D]`` of the generated rows.
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
    """Checks that rows can be compared, before any work is done, and extracts their columns.

    Raises:
        SpecMismatchError: If columns differ.
        InvalidTransitionsError: If rows are missing, not finite, or hold numbers too large to be compared.
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
        check_columns(label, values, names)
    matrices = [found[label][0] for label in ("real", "holdout", "synthetic")]
    return Rows(fitted, real, synthetic, holdout is not None, names, *matrices)
