"""Files that are written atomically."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from synth_replay.checkpoint import temporary_path


def check_destination(path: Path) -> None:
    """Checks that a file can be created at ``path``, before any work is done.

    Raises:
        OSError: If the path is a folder, or its parent is not.
    """
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder: name the file of the report, for example {path / 'report.html'}.")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path.parent} is not a folder: create it before writing {path.name} there.")


@contextmanager
def atomic_text_file(path: Path) -> Iterator[TextIO]:
    """Opens a temporary file beside ``path`` and renames it to ``path`` when the block has succeeded.

    Raises:
        OSError: If the folder is missing or cannot be written, before any work is done.
    """
    check_destination(path)
    partial = temporary_path(path)
    try:
        with partial.open("w", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
