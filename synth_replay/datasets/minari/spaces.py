"""Conversion between Gymnasium spaces and their JSON in Minari's metadata."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from gymnasium import spaces

from synth_replay.errors import UnsupportedSpaceError

Space = spaces.Space[Any]


def space_from_minari(text: str | None) -> Space | None:
    """Rebuilds a space from its JSON; None stays None.

    Raises:
        UnsupportedSpaceError: If it is a Tuple, Text or another space that cannot be modelled.
    """
    return None if text is None else _space(json.loads(text))


def _space(data: dict[str, Any]) -> Space:
    kind = data["type"]
    if kind == "Dict":
        return spaces.Dict({key: _space(child) for key, child in data["subspaces"].items()})
    if kind == "Box":
        low, high = (np.array(data[bound], data["dtype"]).reshape(data["shape"]) for bound in ("low", "high"))
        return spaces.Box(low, high, dtype=np.dtype(data["dtype"]).type)
    if kind == "Discrete":
        return spaces.Discrete(data["n"], start=data["start"])
    if kind == "MultiDiscrete":
        dtype: Any = np.dtype(data["dtype"]).type
        return spaces.MultiDiscrete(np.array(data["nvec"]), dtype=dtype, start=np.array(data["start"]))
    if kind == "MultiBinary":
        return spaces.MultiBinary(data["n"])
    raise UnsupportedSpaceError(f"Minari datasets of {kind} spaces cannot be modelled.")


def space_to_minari(space: Space) -> str:
    """Returns the JSON of a space that :func:`minari.load_dataset` expects.

    Raises:
        UnsupportedSpaceError: If Minari cannot store the space.
    """
    return json.dumps(_describe(space))


def _describe(space: Space) -> dict[str, Any]:
    kind = type(space).__name__
    if isinstance(space, spaces.Dict):
        return {"type": kind, "subspaces": {key: _describe(child) for key, child in space.spaces.items()}}
    if isinstance(space, spaces.Box):
        bounds = {"low": space.low.tolist(), "high": space.high.tolist()}
        return {"type": kind, "dtype": str(space.dtype), "shape": list(space.shape), **bounds}
    if isinstance(space, spaces.Discrete):
        return {"type": kind, "dtype": "int64", "start": int(space.start), "n": int(space.n)}
    if isinstance(space, spaces.MultiDiscrete):
        lists = {"nvec": space.nvec.tolist(), "start": space.start.tolist()}
        return {"type": kind, "dtype": str(space.dtype), **lists}
    if isinstance(space, spaces.MultiBinary):
        return {"type": kind, "n": space.n if isinstance(space.n, int) else list(space.shape)}
    raise UnsupportedSpaceError(f"Minari has no description of {kind} spaces.")
