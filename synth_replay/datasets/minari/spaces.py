"""Conversion between Gymnasium spaces and their JSON in Minari's metadata."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gymnasium import spaces

from synth_replay.datasets.json_values import JsonValue, parse_json
from synth_replay.errors import DatasetFormatError, SpaceDescriptionError, UnsupportedSpaceError
from synth_replay.safe_paths import shown
from synth_replay.spaces import space_from_dict

Space = spaces.Space[Any]


def space_from_minari(text: str | None, path: Path = Path("metadata.json"), place: str = "its space") -> Space | None:
    """Rebuilds a space from its JSON; None stays None.

    Args:
        text: The JSON.
        path: File to name in errors.
        place: Place of the text in that file, for errors.

    Raises:
        UnsupportedSpaceError: If it is a Tuple, Text or another space that cannot be modelled.
        DatasetFormatError: If the JSON is damaged.
    """
    if text is None:
        return None
    held = parse_json(text, path, place)
    try:
        return space_from_dict(_as_ours(held))
    except SpaceDescriptionError as error:
        raise DatasetFormatError(f"{path} is damaged: {place}: {error}") from error


def _as_ours(data: JsonValue, depth: int = 16) -> dict[str, Any]:
    """Returns Minari's description of a space in the format of :func:`space_to_dict`."""
    kind, held = data["type"].text(), data.plain()
    if kind == "Dict":
        if not depth:
            raise SpaceDescriptionError("spaces are nested too deeply.")
        return {"type": kind, "spaces": {k: _as_ours(v, depth - 1) for k, v in data["subspaces"].table().items()}}
    if kind not in ("Box", "Discrete", "MultiDiscrete", "MultiBinary"):
        raise UnsupportedSpaceError(f"Minari datasets of {shown(kind)} spaces cannot be modelled.")
    return {"dtype": "int8" if kind == "MultiBinary" else "int64"} | held


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
