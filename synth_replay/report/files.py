"""A file that is either whole or not there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO


def require_place(path: Path) -> None:
    """Checks that a file can be made there, before any work is done.

    Raises:
        OSError: If it is a folder, or is to lie in none.
    """
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder: name the file of the report, for example {path / 'report.html'}.")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path.parent} is not a folder: create it before writing {path.name} there.")


@contextmanager
def whole_file(path: Path) -> Iterator[TextIO]:
    """Opens a temporary neighbour of ``path`` at once, and moves it there when the block has succeeded.

    Raises:
        OSError: If the folder is missing or cannot be written, before any work is done.
    """
    require_place(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("w", encoding="utf-8", newline="\n") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
