"""Paths from names that an untrusted file holds: each must be a plain file or folder inside the given folder."""

from __future__ import annotations

import os
import reprlib
import stat
from collections.abc import Callable
from pathlib import Path, PurePosixPath, PureWindowsPath

MakeError = Callable[[str], Exception]

_SHOWN = 60  # characters of a name in an error
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFREG: "a file",
}


def plain_file(folder: Path, name: object, error: MakeError = ValueError) -> Path:
    """Returns the path of a plain file whose name comes from an untrusted file.

    The plain file is checked, but not opened. ``folder`` comes from the caller and may be a symlink.

    Args:
        folder: Folder that must hold the plain file.
        name: Name from the untrusted file, of any type.
        error: Makes the error from its text, such as an error class.

    Raises:
        Exception: The result of ``error``, if the name is not text, leads out of the folder (by its parts or as a
            symlink), or names a missing file, a folder, a device, a pipe or a socket.
    """
    return _plain(folder, name, error, stat.S_IFREG)


def plain_folder(folder: Path, name: object, error: MakeError = ValueError) -> Path:
    """Returns the path of a folder in ``folder`` whose name comes from an untrusted file; see :func:`plain_file`."""
    return _plain(folder, name, error, stat.S_IFDIR)


def plain_name(name: object) -> bool:
    """Whether a value is a bare file name: text without separators, ``..``, drives or NUL."""
    if not isinstance(name, str) or name in ("", ".", "..") or "\0" in name:
        return False
    try:
        os.fsencode(name)
    except UnicodeEncodeError:
        return False
    return PurePosixPath(name).name == name and PureWindowsPath(name).name == name


def shown(name: object, limit: int = _SHOWN) -> str:
    """Returns the ``repr`` of a value for an error, cut after ``limit`` characters; nested lists are abbreviated."""
    text = f"{name[: 2 * limit]!r}" if isinstance(name, str) else reprlib.repr(name)
    return text if len(text) <= limit else f"{text[:limit]}..."


def _plain(folder: Path, name: object, error: MakeError, kind: int) -> Path:
    if not isinstance(name, str) or not plain_name(name):
        raise error(f"{folder} names {shown(name)}, which is no name of {_KINDS[kind]} in that folder.")
    path = folder / name
    try:
        real = path.resolve(strict=True)
        mode = real.stat().st_mode
        inside = real.is_relative_to(folder.resolve(strict=True))
    except FileNotFoundError as cause:
        raise error(f"{path} is missing: copy the whole folder, or make it again.") from cause
    except (OSError, RuntimeError) as cause:  # a name that is too long, a loop of symlinks
        raise error(f"{folder} names {shown(name)}, which cannot be opened: {cause}") from cause
    if not inside:
        raise error(f"{path} is a link that leads out of its folder: replace it by the file itself if you trust it.")
    if stat.S_IFMT(mode) != kind:
        raise error(f"{path} is {_KINDS.get(stat.S_IFMT(mode), 'something else')}, not {_KINDS[kind]}.")
    return path


def plain_bytes(path: Path, most: int = 1 << 26) -> bytes:
    """Reads a file that the user named, such as a configuration; a device or a pipe is not opened.

    Args:
        path: The file; may be a symlink to one.
        most: Largest allowed size in bytes.

    Raises:
        FileNotFoundError: If it is missing.
        ValueError: If it is no plain file, or larger than ``most``.
        OSError: If it cannot be read.
    """
    held = path.stat()
    if not stat.S_ISREG(held.st_mode):
        raise ValueError(f"{path} is {_KINDS.get(stat.S_IFMT(held.st_mode), 'something else')}, not a file")
    if held.st_size > most:
        raise ValueError(f"{path} has {held.st_size:,} bytes, and at most {most:,} are read")
    return path.read_bytes()
