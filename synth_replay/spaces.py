"""Gymnasium spaces as named leaves: what one row of a column may hold."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from synth_replay.errors import ImageObservationError, SpaceDescriptionError, UnsupportedSpaceError
from synth_replay.safe_paths import shown

Array = npt.NDArray[Any]
Kind = Literal["continuous", "categorical"]

MAX_CATEGORIES = 4096
MAX_DIMENSIONS = 16
MAX_NUMBERS = 10_000_000  # values of one row of a space in a saved description


@dataclass(frozen=True)
class Leaf:
    """One array of a transition: a column, or one key of a Dict observation.

    Attributes:
        name: ``"actions"``, or ``"observations/position"`` for a key of a Dict space.
        shape: Shape of one row, without the batch dimension.
        dtype: Dtype of a generated row.
        kind: ``continuous`` values, or ``categorical`` integer codes.
        low: Lower bounds, shape ``shape``; ``-inf`` where there is none.
        high: Upper bounds, shape ``shape``.
        categories: Number of categories of each element (flattened); empty for continuous leaves.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    kind: Kind
    low: Array
    high: Array
    categories: tuple[int, ...] = ()

    @property
    def size(self) -> int:
        """Number of scalars in one row."""
        return int(np.prod(self.shape, dtype=int))


def as_matrix(array: Array) -> Array:
    """Flattens each row: ``[n, *shape]`` to ``[n, size]``, also for n = 0."""
    return array.reshape(len(array), int(np.prod(array.shape[1:], dtype=int)))


def space_leaves(name: str, space: spaces.Space[Any]) -> Iterator[Leaf]:
    """Yields the leaves of a space; keys of Dict spaces come in Gymnasium's own (sorted) order.

    Args:
        name: Column name, used as prefix.
        space: Box, Discrete, MultiDiscrete, MultiBinary, or a Dict of these.

    Raises:
        ImageObservationError: If a box is uint8 and has the shape of pictures.
        UnsupportedSpaceError: If the space is of another type.
    """
    if isinstance(space, spaces.Dict):
        for key, child in space.spaces.items():
            yield from space_leaves(f"{name}/{key}", child)
    elif isinstance(space, spaces.Box):
        yield _box_leaf(name, space)
    elif isinstance(space, spaces.Discrete):
        yield _categorical_leaf(name, space, (), [int(space.n)], int(space.start))
    elif isinstance(space, spaces.MultiDiscrete):
        counts = space.nvec.reshape(-1).tolist()
        yield _categorical_leaf(name, space, space.shape, counts, space.start)
    elif isinstance(space, spaces.MultiBinary):
        yield _categorical_leaf(name, space, space.shape, [2] * int(np.prod(space.shape)), 0)
    else:
        raise UnsupportedSpaceError(
            f"{name}: {type(space).__name__} spaces cannot be modelled; use Box, Discrete, MultiDiscrete, "
            "MultiBinary or a Dict of these (gymnasium.wrappers.FlattenObservation may help)."
        )


def _box_leaf(name: str, space: spaces.Box) -> Leaf:
    if space.dtype == np.uint8 and len(space.shape) in (3, 4):
        raise ImageObservationError(
            f"{name}: a uint8 Box of shape {space.shape} looks like an image. The diffusion model works on vectors, so "
            "frames are encoded first: save encoder_of(trained agent) and pass encoder= to the buffer (docs: Pixels), "
            "or wrap the environment in synth_replay.encoders.LatentObservation."
        )
    low, high = np.asarray(space.low, np.float64), np.asarray(space.high, np.float64)
    dtype = np.dtype(space.dtype or np.float32)
    return Leaf(name, tuple(space.shape), dtype, "continuous", low, high)


def _categorical_leaf(
    name: str, space: spaces.Space[Any], shape: tuple[int, ...], counts: list[int], start: Any
) -> Leaf:
    if max(counts) > MAX_CATEGORIES:
        raise UnsupportedSpaceError(f"{name}: {max(counts)} categories are too many (at most {MAX_CATEGORIES}).")
    low = np.broadcast_to(np.asarray(start, np.float64), shape).copy()
    high = low + np.asarray(counts, np.float64).reshape(shape) - 1
    return Leaf(name, tuple(shape), np.dtype(space.dtype or np.int64), "categorical", low, high, tuple(counts))


def space_to_dict(space: spaces.Space[Any]) -> dict[str, Any]:
    """Describes a supported space in JSON types; :func:`space_from_dict` is the inverse."""
    if isinstance(space, spaces.Dict):
        return {"type": "Dict", "spaces": {k: space_to_dict(v) for k, v in space.spaces.items()}}
    base: dict[str, Any] = {"type": type(space).__name__, "dtype": np.dtype(space.dtype or np.float32).name}
    if isinstance(space, spaces.Box):
        bounds = {k: _texts(getattr(space, k)) for k in ("low", "high")}
        return base | bounds | {"shape": list(space.shape)}
    if isinstance(space, spaces.Discrete):
        return base | {"n": int(space.n), "start": int(space.start)}
    if isinstance(space, spaces.MultiDiscrete):
        return base | {"nvec": space.nvec.tolist(), "start": space.start.tolist()}
    if isinstance(space, spaces.MultiBinary):
        return base | {"n": space.n if isinstance(space.n, int) else list(space.shape)}
    raise UnsupportedSpaceError(f"{type(space).__name__} spaces cannot be saved.")


def space_from_dict(data: Any, depth: int = 16) -> spaces.Space[Any]:
    """Rebuilds a space from the description that :func:`space_to_dict` returned.

    Args:
        data: The description: JSON values, which need not come from a trusted file.
        depth: Number of allowed levels of nested Dict spaces.

    Raises:
        SpaceDescriptionError: If it is damaged, or describes another kind of space.
    """
    kind = _entry(data, "type", str)
    if kind == "Dict":
        if not depth:
            raise SpaceDescriptionError("The description of a space is nested too deeply.")
        children = _entry(data, "spaces", dict)
        return spaces.Dict({key: space_from_dict(child, depth - 1) for key, child in children.items()})
    if kind not in _BUILDERS:
        raise SpaceDescriptionError(f"Unknown space type {shown(kind)} in a saved description.")
    try:
        return _BUILDERS[kind](data)
    except (ValueError, TypeError, ArithmeticError, AssertionError, RecursionError) as error:
        reason = " ".join(str(error).split())[:200]
        raise SpaceDescriptionError(f"The description of a {kind} space is damaged ({reason}).") from error


def _box(data: dict[str, Any]) -> spaces.Space[Any]:
    dtype, shape = _dtype(data, "biuf"), _shape(_entry(data, "shape", list))
    low, high = (_numbers(_entry(data, bound, list), dtype, shape) for bound in ("low", "high"))
    if not (low <= high).all():
        raise ValueError("a lower bound is above the upper one")
    return spaces.Box(low, high, dtype=dtype.type)


def _discrete(data: dict[str, Any]) -> spaces.Space[Any]:
    dtype, count, start = _dtype(data, "iu"), _entry(data, "n", int), _entry(data, "start", int)
    if not abs(start) + abs(count) < np.iinfo(np.int64).max:
        raise ValueError("its numbers are too large")
    return spaces.Discrete(count, start=start, dtype=dtype.type)


def _multi_discrete(data: dict[str, Any]) -> spaces.Space[Any]:
    dtype, counts, start = _dtype(data, "iu"), np.array(_entry(data, "nvec", list)), np.array(data.get("start", 0))
    if counts.dtype.kind != "i" or start.dtype.kind != "i":
        raise TypeError("nvec and start must be whole numbers")
    return spaces.MultiDiscrete(counts, dtype=dtype.type, start=start if start.ndim else None)


def _multi_binary(data: dict[str, Any]) -> spaces.Space[Any]:
    size = data["n"] if isinstance(data.get("n"), list) else [_entry(data, "n", int)]
    shape = _shape(size)
    return spaces.MultiBinary(list(shape) if isinstance(data["n"], list) else shape[0])


_BUILDERS = {"Box": _box, "Discrete": _discrete, "MultiDiscrete": _multi_discrete, "MultiBinary": _multi_binary}


def _entry(data: Any, key: str, kind: type) -> Any:
    found = data.get(key) if isinstance(data, dict) else None
    if not isinstance(found, kind) or isinstance(found, bool):
        raise SpaceDescriptionError(f"The description of a space is damaged: {key!r} must be of type {kind.__name__}.")
    return found


def _dtype(data: dict[str, Any], kinds: str) -> np.dtype[Any]:
    found: np.dtype[Any] = np.dtype(_entry(data, "dtype", str))
    if found.kind not in kinds or found.shape:
        raise TypeError(f"its dtype {found} does not fit")
    return found


def _shape(sizes: list[Any]) -> tuple[int, ...]:
    if not all(isinstance(size, int) and not isinstance(size, bool) and size >= 0 for size in sizes):
        raise TypeError("its shape must be whole numbers")
    if len(sizes) > MAX_DIMENSIONS or math.prod(sizes) > MAX_NUMBERS:
        raise ValueError("its shape is too large")
    return tuple(sizes)


def _texts(bounds: Array) -> list[str]:
    """Returns bounds as the text of each number; bools become 0 and 1."""
    return [repr(int(v) if isinstance(v, bool) else v) for v in bounds.reshape(-1).tolist()]


def _numbers(held: list[Any], dtype: np.dtype[Any], shape: tuple[int, ...]) -> Array:
    """Returns bounds ``[*shape]`` from a flat or nested list of numbers, which may be text."""
    flat = np.array(held, dtype=object).reshape(-1).tolist() if held else []
    if len(flat) != math.prod(shape) or not all(isinstance(v, (str, int, float)) for v in flat):
        raise ValueError("its bounds do not fit its shape")
    whole = dtype.kind in "iu"
    with np.errstate(over="raise"):
        return np.array([int(v) if whole else float(v) for v in flat], dtype).reshape(shape)


def one_hot(codes: Array, cardinalities: list[int] | tuple[int, ...]) -> Array:
    """Encodes category codes ``[n, K]`` as one-hot blocks ``[n, sum(cardinalities)]`` float32."""
    out = np.zeros((len(codes), sum(cardinalities)), np.float32)
    offsets = np.cumsum([0, *cardinalities])[:-1]
    if out.size:
        np.put_along_axis(out, codes + offsets.astype(np.int64), 1.0, axis=1)
    return out


def exceeds_bounds(leaf: Leaf, array: Array) -> bool:
    """Tells whether real observations lie outside their declared space, so that clipping would change them."""
    if leaf.kind == "categorical" or leaf.name.endswith("actions"):
        return False
    return bool((array < leaf.low).any() or (array > leaf.high).any())
