"""Checkpoints of safetensors and JSON, written atomically.

The JSON file is written last, so an interrupted or failed save leaves the previous version readable. It holds the hash
of the tensor file and of its own metadata, so a load detects a change to either file.
"""

from __future__ import annotations

import errno
import glob
import hashlib
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as dump_tensors
from torch import Tensor

from synth_replay.errors import CheckpointError, SynthReplayError
from synth_replay.safe_paths import plain_bytes, plain_file

FORMAT_VERSION = 2
TEMPORARY = ".synth-replay-partial"  # suffix of names that only this package makes, so it may delete them
WRONG_VALUES = (LookupError, ValueError, TypeError, AttributeError, OverflowError, RuntimeError, AssertionError)
MOST_ATTEMPTS = 1000  # a read is only repeated after another process has saved


def save_checkpoint(folder: str | Path, name: str, tensors: dict[str, Tensor], meta: dict[str, Any]) -> None:
    """Writes ``name.json`` and a tensor file into ``folder``; an older pair is replaced once both are complete.

    Processes that save into one folder wait for each other.

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
    header = {"format": FORMAT_VERSION, "tensors": tensor_file.name, "sha256": digest, "meta_sha256": _digest(meta)}
    with _locked(folder):
        _write(tensor_file, blob)
        _write(folder / f"{name}.json", json.dumps(header | {"meta": meta}, indent=1).encode())
        stem = glob.escape(name)
        for old in folder.glob(f"{stem}-*.safetensors"):
            if old.name != tensor_file.name and _is_ours(old, name):
                old.unlink()
        for kind in (".json", f"-{'[0-9a-f]' * 16}.safetensors"):
            for stray in folder.glob(f".{stem}{kind}{TEMPORARY}"):  # of a process that was killed
                stray.unlink()


def _is_ours(path: Path, name: str) -> bool:
    """Whether a tensor file has the name that :func:`save_checkpoint` gave its content."""
    if not re.fullmatch(rf"{re.escape(name)}-[0-9a-f]{{16}}\.safetensors", path.name) or path.is_symlink():
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest().startswith(path.stem[-16:])


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Locks ``folder`` against other processes' saves in a ``with`` block, without a lock file; no lock on Windows."""
    if os.name != "posix":
        yield
        return
    import fcntl

    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # some network file systems have no locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def to_bytes(tensors: dict[str, Tensor]) -> bytes:
    """Serialises tensors of any device in the safetensors format."""
    return dump_tensors({key: value.detach().cpu().contiguous() for key, value in tensors.items()})


def _digest(meta: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(meta, sort_keys=True).encode()).hexdigest()


def temporary_path(path: Path) -> Path:
    """Returns the path, beside ``path``, at which a file or folder is built until it is complete."""
    return path.with_name(f".{path.name}{TEMPORARY}")


def write_atomically(path: Path, blob: bytes) -> None:
    """Writes a file under a temporary name and renames it once it is complete; other processes wait."""
    with _locked(path.parent):
        _write(path, blob)


def _write(path: Path, blob: bytes) -> None:
    partial = temporary_path(path)
    try:
        with partial.open("wb") as file:
            file.write(blob)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def load_checkpoint(folder: str | Path, name: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Reads the tensors and the metadata that :func:`save_checkpoint` wrote; another process may save meanwhile.

    Raises:
        CheckpointError: If the pair is missing, corrupt, cut short, or of another format.
    """
    path = Path(folder) / f"{name}.json"
    header, blob = _read_pair(path, name)
    if header.get("format") != FORMAT_VERSION:
        raise CheckpointError(
            f"{path} has format {str(header.get('format'))[:20]}; this version reads {FORMAT_VERSION}. Upgrade, or "
            "save it again."
        )
    if hashlib.sha256(blob).hexdigest() != header.get("sha256"):
        raise CheckpointError(f"{path.parent / header['tensors']} is corrupt or cut short; save it again.")
    meta = header.get("meta")
    if not isinstance(meta, dict) or _digest(meta) != header.get("meta_sha256"):
        raise CheckpointError(f"{path} was changed or damaged after it was saved: its hash differs. Save it again.")
    try:
        return load_tensors(blob), meta
    except SafetensorError as error:  # a changed file can come with a matching hash
        raise CheckpointError(f"{header['tensors']} cannot be read: {error}") from error


@contextmanager
def restoring(what: str) -> Iterator[None]:
    """Raises one clear error if an object cannot be built from the values of a file.

    Raises:
        CheckpointError: If the ``with`` block raises an error that wrong values cause; the text begins with ``what``.
    """
    try:
        yield
    except (SynthReplayError, *WRONG_VALUES) as error:
        raise CheckpointError(f"{what} is inconsistent ({error!r:.300}). Save it again.") from error


def _read_pair(path: Path, name: str) -> tuple[dict[str, Any], bytes]:
    """Reads the header and the bytes of the tensors that it names."""
    read = b""
    for _ in range(MOST_ATTEMPTS):
        try:
            before, read = read, plain_bytes(path)
            header = json.loads(read)
            return header, _tensor_file(path.parent, header["tensors"]).read_bytes()
        except FileNotFoundError as error:
            if not read or read == before:  # else a save has replaced the pair since its header was read
                missing = error.filename
                raise CheckpointError(f"{path.parent} holds no {name} checkpoint: {missing} is missing.") from error
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise CheckpointError(f"{path} is not a {name} checkpoint ({type(error).__name__}: {error}).") from error
    raise CheckpointError(f"{path} is replaced faster than it can be read: load it when the other process is done.")


def _tensor_file(folder: Path, name: object) -> Path:
    """Returns the path of the tensor file that a header names."""
    try:
        return plain_file(folder, name)
    except ValueError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            raise FileNotFoundError(errno.ENOENT, "missing", str(folder / str(name))) from error
        raise
