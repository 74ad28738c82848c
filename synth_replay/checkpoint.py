"""Checkpoints of safetensors and JSON, written atomically.

The JSON file is written last and names the tensor file with its hash, so an interrupted or failed save leaves the
previous version readable.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as dump_tensors
from torch import Tensor

from synth_replay.errors import CheckpointError

FORMAT_VERSION = 1


def save_checkpoint(folder: str | Path, name: str, tensors: dict[str, Tensor], meta: dict[str, Any]) -> None:
    """Writes ``name.json`` and a tensor file into ``folder``; an older pair is replaced once both are complete.

    Args:
        folder: Target folder, created when missing.
        name: Stem of the JSON file.
        tensors: Tensors by name, on any device.
        meta: Further values, in JSON types.

    Raises:
        OSError: If writing fails (a full disk, say); the previous checkpoint is still there.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    blob = to_bytes(tensors)
    digest = hashlib.sha256(blob).hexdigest()
    tensor_file = folder / f"{name}-{digest[:16]}.safetensors"
    header = {"format": FORMAT_VERSION, "tensors": tensor_file.name, "sha256": digest}
    write_atomically(tensor_file, blob)
    write_atomically(folder / f"{name}.json", json.dumps(header | {"meta": meta}, indent=1).encode())
    for old in folder.glob(f"{name}-*.safetensors"):
        if old.name != tensor_file.name:
            old.unlink()


def to_bytes(tensors: dict[str, Tensor]) -> bytes:
    """Serialises tensors of any device in the safetensors format."""
    return dump_tensors({key: value.detach().cpu().contiguous() for key, value in tensors.items()})


def write_atomically(path: Path, blob: bytes) -> None:
    """Writes a file under a temporary name and renames it once it is complete."""
    partial = path.with_name(path.name + ".partial")
    try:
        with partial.open("wb") as file:
            file.write(blob)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def load_checkpoint(folder: str | Path, name: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Reads the tensors and the metadata that :func:`save_checkpoint` wrote.

    Raises:
        CheckpointError: If the pair is missing, corrupt, cut short, or of a newer format.
    """
    path = Path(folder) / f"{name}.json"
    try:
        header = json.loads(path.read_text())
        blob = (path.parent / header["tensors"]).read_bytes()
        version, digest, meta = header["format"], header["sha256"], header["meta"]
    except FileNotFoundError as error:
        raise CheckpointError(f"{folder} holds no {name} checkpoint: {error.filename} is missing.") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path} is not a {name} checkpoint ({type(error).__name__}: {error}).") from error
    if version != FORMAT_VERSION:
        raise CheckpointError(f"{path} has format {version}; this version reads {FORMAT_VERSION}. Upgrade.")
    if hashlib.sha256(blob).hexdigest() != digest:
        raise CheckpointError(f"{path.parent / header['tensors']} is corrupt or cut short; save it again.")
    try:
        return load_tensors(blob), meta
    except SafetensorError as error:  # pragma: no cover - the hash already vouches for the bytes
        raise CheckpointError(f"{header['tensors']} cannot be read: {error}") from error
