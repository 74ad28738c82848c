"""Raw arrays of a file as checked transitions of a spec."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from synth_replay.errors import InvalidTransitionsError
from synth_replay.spaces import Array, Leaf
from synth_replay.transitions import Transitions, TransitionSpec


def conform(spec: TransitionSpec, leaves: Mapping[str, Array]) -> Transitions:
    """Checked transitions in the spec's shapes and dtypes, sharing memory where nothing changes.

    Args:
        spec: What the rows must be.
        leaves: ``[n, *shape]`` arrays by leaf name; ``[n, 1]`` and ``[n]`` are taken for each other.

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
    """The dtype that a generated column is kept in: floats are generated as float32."""
    return np.dtype(np.float32) if np.issubdtype(dtype, np.floating) else dtype


def stored_columns(spec: TransitionSpec) -> dict[str, Leaf]:
    """The columns that every flat format writes: the spec's and ``truncations``."""
    scalar = next(leaf for leaf in spec.leaves if leaf.name == "terminations")
    return {leaf.name: leaf for leaf in spec.leaves} | {"truncations": scalar}


def stored_leaves(spec: TransitionSpec, transitions: Transitions, truncations: Array) -> dict[str, Array]:
    """``transitions`` in the dtypes of a file, with a ``truncations`` column in any case."""
    leaves = {"truncations": truncations} | transitions.leaves()
    columns = stored_columns(spec)
    return {name: leaves[name].astype(stored_dtype(leaf.dtype), copy=False) for name, leaf in columns.items()}
