"""Descriptions of jobs: nested JSON values that say what a dataset is made from, so that two jobs can be compared."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from synth_replay.errors import Difference

Job = dict[str, Any]


def digest(path: Path) -> str:
    """SHA-256 of a file, or of all files of a folder with their names."""
    total = hashlib.sha256()
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    for file in files:
        if path != file:
            total.update(file.relative_to(path).as_posix().encode() + b"\0")
        with file.open("rb") as stream:
            total.update(hashlib.file_digest(stream, "sha256").digest())
    return total.hexdigest()


def as_read_back(job: Job) -> Job:
    """The job as it comes back from a JSON file: tuples are lists, keys are strings."""
    read: Job = json.loads(json.dumps(job))
    return read


def differences(there: Job, now: Job) -> tuple[Difference, ...]:
    """Settings in which two jobs differ, in the order of the earlier job.

    Args:
        there: The earlier job, whose rows are on disk.
        now: The job that is asked for.
    """
    return tuple(_compare((), there, now))


def _compare(path: tuple[str, ...], there: Any, now: Any) -> Iterator[Difference]:
    if isinstance(there, dict) and isinstance(now, dict):
        for key in there | now:
            yield from _compare((*path, key), there.get(key), now.get(key))
    elif there != now:
        yield Difference(path, there, now)
