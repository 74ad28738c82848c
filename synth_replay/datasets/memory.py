"""Checks of the sizes that a file announces against its own size and against the machine's memory."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from synth_replay.errors import DatasetError, DatasetFormatError
from synth_replay.spaces import Array

CHUNK_BYTES = 1 << 29  # largest chunk of rows that is read at a time
HARMLESS_BYTES = 1 << 26  # smaller sizes are not checked
MOST_COMPRESSED = 2_000  # largest plausible ratio; zlib packs at most 1,032 bytes into one
_CGROUPS = Path("/sys/fs/cgroup")
_LIMITS = {"": "memory.max", "memory": "memory.limit_in_bytes"}  # by controller: none in cgroup v2, memory in v1


def available_memory() -> int | None:
    """Returns the bytes that this process can still take; None where the system does not say.

    The result is the smallest of three numbers: the machine's free memory and swap, what is left of the limit of the
    process's control group, and what is left of the limit of its address space (``ulimit -v``).
    """
    limits = [_machine(), _control_group(), _address_space()]
    known = [limit for limit in limits if limit is not None]
    return max(min(known), 0) if known else None


def require_memory(place: object, needed: int, what: str, remedy: str) -> None:
    """Checks that enough memory is free before it is allocated.

    Args:
        place: File to name in errors.
        needed: Number of bytes.
        what: Subject of the error, which takes the memory, such as ``"3 rows"``.
        remedy: Last sentence of the error: what to do.

    Raises:
        DatasetError: If more bytes are needed than this process can still take.
    """
    if needed <= HARMLESS_BYTES:
        return
    free = available_memory()
    if free is not None and needed > free:
        raise DatasetError(
            f"{place}: {what} take {in_bytes(needed)} of memory, and {in_bytes(free)} are free. {remedy}"
        )


def require_content(place: object, announced: int, stored: int) -> None:
    """Checks that a file can hold what it announces, however well it is compressed.

    Args:
        place: File and array to name in errors.
        announced: Number of bytes in memory.
        stored: Number of bytes in the file.

    Raises:
        DatasetFormatError: If ``announced`` is above 64 MiB and more than 2,000 times ``stored``.
    """
    if announced > max(HARMLESS_BYTES, MOST_COMPRESSED * stored):
        raise DatasetFormatError(
            f"{place} announces {in_bytes(announced)} and is stored in {in_bytes(stored)}: it is damaged, or it was "
            "never filled. Write it again."
        )


def bounded_rows(place: object, rows: int, row_bytes: int) -> int:
    """Returns the rows of a chunk: at most ``rows``, half a gigabyte, or an eighth of the free memory, but at least 1.

    Args:
        place: File to name in errors.
        rows: Wanted number of rows.
        row_bytes: Bytes of one row.

    Raises:
        DatasetError: If not even one row fits into memory.
    """
    require_memory(place, 3 * row_bytes, "a single row and its copies", "No machine of this size can use it.")
    free = available_memory()
    budget = CHUNK_BYTES if free is None else min(CHUNK_BYTES, free // 8)
    return max(1, min(rows, budget // max(row_bytes, 1)))


def row_bytes(heads: Mapping[str, Array]) -> int:
    """Returns the bytes of one row of all columns, from zero-row arrays ``[0, *shape]`` by name."""
    return sum(array_bytes(head.shape[1:], head.dtype) for head in heads.values())


def array_bytes(shape: tuple[int, ...], dtype: Any) -> int:
    """Returns the bytes of an array, which may be more than an int64 holds."""
    return math.prod(map(int, shape)) * int(dtype.itemsize)


def in_bytes(count: int) -> str:
    """Returns a number of bytes as readable text, such as ``"1.5 GB"``."""
    value, units = float(min(count, 10**30)), ["bytes", "kB", "MB", "GB", "TB", "PB"]
    while value >= 1000 and len(units) > 1:
        value, units = value / 1000, units[1:]
    return f"{value:,.3g} {units[0]}" if value < 1e6 else f"{value:,.0f} {units[0]}"


def _machine() -> int | None:
    with suppress(OSError, ValueError, KeyError):
        lines = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
        return sum(int(lines[name].split()[0]) * 1024 for name in ("MemAvailable", "SwapFree"))
    with suppress(OSError, ValueError, AttributeError):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return None


def _control_group() -> int | None:
    limits = []
    with suppress(OSError, ValueError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, controllers, own = line.split(":", 2)
            if controllers in _LIMITS:
                root = _CGROUPS / controllers
                place = root / own.strip("/")
                limits += [_limit(folder / _LIMITS[controllers]) for folder in (place, *place.parents)]
    known = [limit for limit in limits if limit is not None]
    return min(known) - _own_pages(1) if known else None


def _limit(file: Path) -> int | None:
    with suppress(OSError, ValueError):
        limit = int(file.read_text())
        return limit if limit < 1 << 60 else None
    return None


def _address_space() -> int | None:
    if sys.platform == "win32":
        return None
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    return None if limit == resource.RLIM_INFINITY else limit - _own_pages(0)


def _own_pages(column: int) -> int:
    """Returns the bytes of this process's address space (column 0) or resident memory (column 1); 0 if unknown."""
    with suppress(OSError, ValueError, IndexError):
        return int(Path("/proc/self/statm").read_text().split()[column]) * os.sysconf("SC_PAGE_SIZE")
    return 0
