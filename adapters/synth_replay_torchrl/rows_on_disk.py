"""Compares a TorchRL folder's description of its rows with its files, before TorchRL opens them for writing."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import torch
from tensordict import TensorDict, TensorDictBase
from torch import Tensor

from synth_replay.errors import CheckpointError
from synth_replay.safe_paths import plain_name, shown

ROWS = "storage"
PLAIN_TYPE = "<class 'tensordict._td.TensorDict'>"
SAFE = "!#$&'()+,;=@[]^`{}~"  # besides letters and digits: what TorchRL leaves as it is in the name of a file
MOST_BYTES = 100_000_000  # of a description; it has a few hundred for each key


def described(path: Path) -> dict[str, Any]:
    """Returns the JSON object in a file.

    Raises:
        CheckpointError: If it cannot be read, or is of another kind.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ValueError("it is too long")
        found = json.loads(path.read_text())
    except (OSError, ValueError, RecursionError) as error:
        text = f"{type(error).__name__}: {error!s:.200}"
        raise CheckpointError(f"{path} cannot be read ({text}). Dump it again.") from error
    if not isinstance(found, dict):
        raise CheckpointError(f"{path} is no description of stored rows. Dump it again.")
    return found


def require_whole_files(folder: Path) -> None:
    """Checks that each file of numbers has the size that its description says; TorchRL lengthens one that is shorter.

    Raises:
        CheckpointError: If one is missing, or longer or shorter, or its description is damaged.
    """
    for at, _, files in os.walk(folder):
        if "meta.json" in files:
            _require_described(Path(at))
    writer = folder / "writer"
    held = described(writer / "metadata.json") if (writer / "metadata.json").exists() else {}
    if held.get("generation_shape") is not None:
        entry = {"shape": held["generation_shape"], "dtype": held.get("generation_dtype")}
        _require_size(writer / "generation.memmap", *_kind(writer, "generation", entry))


def _require_described(folder: Path) -> None:
    held = described(folder / "meta.json")
    for key, entry in held.items():
        numbers = isinstance(entry, dict) and "type" not in entry
        if numbers and (held.get("_type") == PLAIN_TYPE or {"dtype", "shape"} <= set(entry)):  # or it is a user's dict
            _require_size(_at(folder, key, ".memmap"), *_kind(folder, key, entry))


def _at(folder: Path, key: str, suffix: str = "") -> Path:
    """Returns the path of a key, as newer TorchRL versions name it, or as older ones do if there is no such file."""
    name = "".join(char if ord(char) > 127 else quote(char, safe=SAFE) for char in key) or "%"
    newer = folder / f"{'%2E' * len(key) if key in ('.', '..') else name}{suffix}"
    older = plain_name(key) and not newer.exists()
    return folder / f"{key}{suffix}" if older else newer


def _kind(folder: Path, key: str, entry: Mapping[str, Any]) -> tuple[tuple[int, ...], torch.dtype]:
    """Returns the shape and the dtype of an entry of a description."""
    shape, name = entry.get("shape"), entry.get("dtype")
    dtype = getattr(torch, name.removeprefix("torch."), None) if isinstance(name, str) else None
    whole = isinstance(shape, list) and all(type(size) is int and size >= 0 for size in shape)
    if not whole or not isinstance(dtype, torch.dtype) or entry.get("is_nested"):
        raise CheckpointError(f"{folder} describes {shown(key)} as {shown(dict(entry))}, not an array. Dump it again.")
    return tuple(shape or ()), dtype


def _require_size(path: Path, shape: tuple[int, ...], dtype: torch.dtype) -> None:
    wanted = math.prod(shape) * dtype.itemsize
    held = path.stat().st_size if path.is_file() else None
    if held != wanted and (wanted or held):
        now = "is missing" if held is None else f"has {held:,} bytes"
        raise CheckpointError(f"{path} {now}, but its description says {wanted:.7g}. Dump it again.")


def rows_of(folder: Path) -> tuple[TensorDictBase, int]:
    """Returns read-only tensors of a folder whose files are whole, and the number of rows in use.

    Raises:
        CheckpointError: If they are no tensordict of rows.
    """
    return _as_rows(dict(_leaves(folder / ROWS))), described(folder / ROWS / "storage_metadata.json").get("len", -1)


def _leaves(folder: Path, above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Tensor]]:
    held = described(folder / "meta.json")
    if held.get("_type") != PLAIN_TYPE:
        if above and above != ("next",):
            return  # text, which is no part of a transition
        raise CheckpointError(f"{folder} holds a {shown(held.get('_type'))}, no tensordict of rows. Dump it again.")
    for key, entry in held.items():
        if isinstance(entry, dict) and "type" in entry:
            yield from _leaves(_at(folder, key), (*above, key))
        elif isinstance(entry, dict):
            shape, dtype = _kind(folder, key, entry)
            yield (*above, key), _mapped(_at(folder, key, ".memmap"), shape, dtype)


def _mapped(path: Path, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    count = math.prod(shape)
    if not count:
        return torch.zeros(shape, dtype=dtype)
    return torch.from_file(str(path), shared=False, size=count, dtype=dtype).reshape(shape)  # never written


def rows_of_state(state: object) -> tuple[TensorDictBase, int]:
    """Returns the tensors of a storage's state dict, and the number of rows in use.

    Raises:
        CheckpointError: If it is no such state.
    """
    held = state.get("_storage") if isinstance(state, Mapping) else None
    if not isinstance(state, Mapping) or not isinstance(held, Mapping) or type(state.get("initialized")) is not bool:
        raise CheckpointError("The state holds no rows of a tensor storage under '_storage'. Save it again.")
    leaves = {tuple(str(key).split(".")): value for key, value in held.items() if isinstance(value, Tensor)}
    if bool(leaves) is not state["initialized"]:
        raise CheckpointError(
            "The saved state is damaged: it says another number of rows than it holds. Save it again."
        )
    return _as_rows(leaves), state.get("_len", -1)


def _as_rows(leaves: Mapping[tuple[str, ...], Tensor]) -> TensorDictBase:
    sizes = {value.shape[:1] for value in leaves.values()}
    if len(sizes) > 1 or torch.Size([]) in sizes:
        raise CheckpointError(f"The stored columns have different numbers of rows ({shown(sizes)}). Save it again.")
    keyed: dict[Any, Tensor] = {path if len(path) > 1 else path[0]: value for path, value in leaves.items()}
    return TensorDict(keyed, batch_size=next(iter(sizes), torch.Size([0])))


def require_counts(where: object, counts: Mapping[str, Any], most: Mapping[str, int]) -> None:
    """Checks the counts that TorchRL keeps of a buffer.

    Args:
        where: What holds them, for the error.
        counts: Counts by name; None for one that is not kept.
        most: Largest allowed values by name; 2**62 for the others.

    Raises:
        CheckpointError: If one is of another kind, or negative or too large.
    """
    for name, value in counts.items():
        top = most.get(name, 2**62)
        if value is not None and (type(value) is not int or not 0 <= value <= top):
            raise CheckpointError(
                f"{where}: {name} is {shown(value)}, not a whole number from 0 to {top:,}. It is damaged: save it "
                "again."
            )
