"""Gymnasium spaces as named leaves: what one row of a column may hold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from synth_replay.errors import ImageObservationError, UnsupportedSpaceError

Array = npt.NDArray[Any]
Kind = Literal["continuous", "categorical"]

MAX_CATEGORIES = 4096


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
        bounds = {k: [repr(v) for v in getattr(space, k).reshape(-1).tolist()] for k in ("low", "high")}
        return base | bounds | {"shape": list(space.shape)}
    if isinstance(space, spaces.Discrete):
        return base | {"n": int(space.n), "start": int(space.start)}
    if isinstance(space, spaces.MultiDiscrete):
        return base | {"nvec": space.nvec.tolist(), "start": space.start.tolist()}
    if isinstance(space, spaces.MultiBinary):
        return base | {"n": space.n if isinstance(space.n, int) else list(space.shape)}
    raise UnsupportedSpaceError(f"{type(space).__name__} spaces cannot be saved.")


def space_from_dict(data: dict[str, Any]) -> spaces.Space[Any]:
    """Rebuilds a space from the description that :func:`space_to_dict` returned."""
    kind = data["type"]
    if kind == "Dict":
        return spaces.Dict({k: space_from_dict(v) for k, v in data["spaces"].items()})
    dtype: Any = np.dtype(data["dtype"])
    if kind == "Box":
        low, high = (np.array([float(v) for v in data[k]], dtype).reshape(data["shape"]) for k in ("low", "high"))
        return spaces.Box(low, high, dtype=dtype.type)
    if kind == "Discrete":
        return spaces.Discrete(data["n"], start=data["start"], dtype=dtype.type)
    if kind == "MultiDiscrete":
        return spaces.MultiDiscrete(np.array(data["nvec"]), dtype=dtype.type, start=np.array(data["start"]))
    if kind == "MultiBinary":
        return spaces.MultiBinary(data["n"])
    raise UnsupportedSpaceError(f"Unknown space type {kind!r} in a saved description.")


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
