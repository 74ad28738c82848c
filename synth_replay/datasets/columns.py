"""Columns in memory and on disk: raw arrays as checked transitions, and transitions in a file's dtypes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from synth_replay.errors import InvalidTransitionsError
from synth_replay.spaces import Array, Leaf
from synth_replay.transitions import Transitions, TransitionSpec


def conform(spec: TransitionSpec, leaves: Mapping[str, Array]) -> Transitions:
    """Checks raw columns and returns them as transitions in the spec's shapes and dtypes.

    Memory is shared where nothing changes.

    Args:
        spec: Spaces and extra columns that the rows must have.
        leaves: ``[n, *shape]`` arrays by leaf name; ``[n, 1]`` and ``[n]`` are interchangeable.

    Raises:
        SpecMismatchError: If a column is missing or has another shape.
        InvalidTransitionsError: If a value is not finite or does not fit its space.
    """
    known = {leaf.name: leaf for leaf in spec.leaves}
    shaped = {name: _shaped(array, known[name]) if name in known else array for name, array in leaves.items()}
    spec.check(transitions := Transitions.from_leaves(shaped))
    cast = {n: _cast(a, known[n]) if n in known else a for n, a in transitions.leaves().items()}
    return Transitions.from_leaves(cast)


def _shaped(array: Array, leaf: Leaf) -> Array:
    def essential(shape: tuple[int, ...]) -> list[int]:
        return [size for size in shape if size != 1]

    same = essential(array.shape[1:]) == essential(leaf.shape)
    return array.reshape(len(array), *leaf.shape) if same else array


def _cast(array: Array, leaf: Leaf) -> Array:
    try:
        with np.errstate(over="raise"):
            cast = array.astype(leaf.dtype, copy=False)
    except FloatingPointError as error:
        raise InvalidTransitionsError(
            f"{leaf.name} holds values too large for {leaf.dtype}. Drop these rows."
        ) from error
    return cast if cast.flags.writeable else cast.copy()  # torch warns about arrays that it may not write


def stored_dtype(dtype: np.dtype[np.generic]) -> np.dtype[np.generic]:
    """Returns the dtype of a column on disk: its own, or float32 for floats of neither 32 nor 64 bits."""
    return np.dtype(np.float32) if dtype.kind == "f" and dtype.itemsize not in (4, 8) else dtype


def stored_columns(spec: TransitionSpec) -> dict[str, Leaf]:
    """Returns the columns that a file holds by name: the spec's and ``truncations``."""
    scalar = next(leaf for leaf in spec.leaves if leaf.name == "terminations")
    return {leaf.name: leaf for leaf in spec.leaves} | {"truncations": scalar}


def stored_leaves(spec: TransitionSpec, transitions: Transitions, truncations: Array) -> dict[str, Array]:
    """Returns the columns of transitions in the dtypes of a file.

    Args:
        spec: Spaces and extra columns of the rows.
        transitions: Rows that satisfy the spec.
        truncations: ``[n]`` bool, used if the transitions have no truncations.
    """
    leaves = {"truncations": truncations} | transitions.leaves()
    columns = stored_columns(spec)
    return {name: leaves[name].astype(stored_dtype(leaf.dtype), copy=False) for name, leaf in columns.items()}
