"""Files and folders that appear complete or not at all, and clear errors about the disk."""

from __future__ import annotations

import errno
import os
import shutil
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from synth_replay.checkpoint import temporary_path
from synth_replay.errors import (
    DatasetError,
    DatasetExistsError,
    DatasetFormatError,
    DatasetWriteError,
    SynthReplayError,
)
from synth_replay.safe_paths import shown

DAMAGE = (
    *(OSError, ValueError, LookupError, EOFError, RuntimeError, OverflowError),
    *(SyntaxError, tokenize.TokenError, struct.error, zlib.error, zipfile.BadZipFile),
)
"""Errors that the standard library, NumPy and h5py raise on a damaged file; pyarrow has classes of its own."""

LONGEST_NAME = 255  # bytes, on all common file systems
FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))
FOLDER_MARKS = ("manifest.json", "manifest.partial.json", "data/metadata.json")


def dataset_path(path: Any, error: type[DatasetError] = DatasetError) -> Path:
    """Converts an argument to a path that the system can look up; the path need not exist.

    Args:
        path: Path of a file or folder, of any type.
        error: Class of the error.

    Raises:
        DatasetError: If it is no path, empty, too long, or in a folder without read permission.
    """
    text = os.fspath(path) if isinstance(path, (str, os.PathLike)) else None
    if not isinstance(text, str) or not text:
        raise error(f"The path of a dataset must be text or a Path; got {shown(path)}.")
    try:
        Path(text).stat()
    except (FileNotFoundError, NotADirectoryError):
        pass
    except (OSError, ValueError) as cause:
        if error is DatasetWriteError and getattr(cause, "errno", 0) == errno.ENAMETOOLONG:
            require_name(Path(text))
        reason = getattr(cause, "strerror", None) or str(cause)[:100]
        raise error(f"{shown(text)} cannot be a dataset's path: {reason}. Choose another place.") from cause
    return Path(text)


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turns the errors that libraries raise on a damaged file into a clear one, inside a ``with`` block.

    Raises:
        DatasetFormatError: If the block raises such an error; the text names ``path``.
        DatasetError: If memory does not suffice.
    """
    try:
        yield
    except SynthReplayError:
        raise
    except MemoryError as error:
        raise DatasetError(f"{path} needs more memory than is free. Use a smaller file or a larger machine.") from error
    except Exception as error:
        if not isinstance(error, DAMAGE) and not type(error).__name__.startswith("Arrow"):
            raise
        text = (" ".join(str(error).split()) or type(error).__name__)[:300]
        raise DatasetFormatError(
            f"{path} cannot be read: it is cut short, damaged or of another format ({text}). Copy or download it again."
        ) from error


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns the system's errors on writing into a clear one, inside a ``with`` block.

    Raises:
        DatasetWriteError: If the block raises an OSError; the text names ``path``.
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        where = f" ({error.filename})" if isinstance(error, (FileExistsError, NotADirectoryError)) else ""
        remedy = "Free some space or choose" if error.errno in FULL else "Choose"
        raise DatasetWriteError(
            f"{path} could not be written: {reason}{where}. {remedy} another place, then run again."
        ) from error


def old_path(path: Path) -> Path:
    """Returns the path to which old content of ``path`` moves while it is replaced."""
    return path.with_name(f".{path.name}.synth-replay-old")


def sweep(path: Path) -> None:
    """Removes temporary files that a killed run left beside ``path``; only this package uses their names.

    If the run was killed while it replaced ``path``, the old content is restored.
    """
    if old_path(path).exists() and not path.exists():
        old_path(path).rename(path)
    for stray in (temporary_path(path), temporary_path(temporary_path(path)), old_path(path)):
        remove(stray)


def followed(path: Path) -> Path:
    """Returns the place to write to: where a symbolic link leads, else the path itself."""
    return _resolved(path) if path.is_symlink() else path


def _resolved(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError) as error:  # Python before 3.13 raises the latter
        raise DatasetWriteError(f"{path} is a link that leads to itself: choose another output.") from error


def require_outside(path: Path, source: Path) -> None:
    """Checks that writing an output does not change the source from which it is made.

    Args:
        path: File or folder to write.
        source: Dataset or generator that is read.

    Raises:
        DatasetExistsError: If the output is the source, or lies in its folder.
    """
    place, read = _resolved(path), _resolved(source)
    if place == read:
        raise DatasetExistsError(f"{path} is the input itself: choose another output.")
    if source.is_dir() and place.is_relative_to(read):
        raise DatasetExistsError(f"{path} is inside of the input {source}: choose a place outside of it.")


def require_name(path: Path) -> None:
    """Checks that an output's name is valid UTF-8, and that the names of its temporary files are not too long.

    Raises:
        DatasetWriteError: If a check fails.
    """
    try:
        path.name.encode()
    except UnicodeEncodeError as error:
        raise DatasetWriteError(f"{path.name!r} is not valid UTF-8: choose another output.") from error
    most = LONGEST_NAME - len(temporary_path(temporary_path(Path("x"))).name)
    if len(os.fsencode(path.name)) > most:
        raise DatasetWriteError(f"{path.name[:60]}... is too long a name: take one of at most {most} bytes.")


def require_free(path: Path, overwrite: bool = False) -> None:
    """Checks that writing to ``path`` replaces nothing that must be kept; an empty folder may be replaced.

    Args:
        path: File or folder to write.
        overwrite: Whether an existing dataset may be replaced.

    Raises:
        DatasetExistsError: If ``path`` holds something and ``overwrite`` is off, or if it is a folder that is not a
            dataset.
        DatasetWriteError: If the name is too long, or is not valid UTF-8.
    """
    require_name(path)
    if not path.exists() or (path.is_dir() and not any(path.iterdir())):
        return
    if not overwrite:
        raise DatasetExistsError(f"{path} already exists: take another name or remove it (in Python: overwrite=True).")
    if path.is_dir() and not any((path / mark).exists() for mark in FOLDER_MARKS):
        raise DatasetExistsError(f"{path} is a folder that is not a dataset: it is never overwritten.")


def remove(path: Path) -> None:
    """Removes a file or a folder, if it is there."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Flushes a file, or all files of a folder, to the disk."""
    files = [p for p in path.rglob("*") if p.is_file()] if path.is_dir() else [path]
    folders = [path.parent] if os.name == "posix" else []  # elsewhere a folder cannot be opened
    for file in [*files, *folders]:
        handle = os.open(file, os.O_RDONLY if file.is_dir() else os.O_RDWR)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def publish(partial: Path, path: Path) -> None:
    """Moves a complete file or folder to its final name, replacing what was there."""
    sync(partial)
    if path.is_dir():
        old = old_path(path)
        remove(old)
        path.rename(old)
        partial.rename(path)
        remove(old)
    else:
        partial.replace(path)
    sync(path)


def write_text(path: Path, text: str) -> None:
    """Writes a small text file, complete or not at all."""
    partial = temporary_path(path)
    try:
        partial.write_text(text)
        publish(partial, path)
    finally:
        partial.unlink(missing_ok=True)
