"""Runs the parts of a study that are not there yet, each in its own process, for a while.

Each part leaves one file, so a stop loses one part at most.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Protocol

REPOSITORY = Path(__file__).parents[1]


class Part(Protocol):
    """One run of a study."""

    @property
    def path(self) -> Path:
        """Where its result goes."""
        ...

    @property
    def arguments(self) -> list[str]:
        """Of the module that makes it."""
        ...

    @property
    def shares(self) -> Hashable:
        """Parts of the same value share a cached generator or policy: they run one after the other."""
        ...


def run(module: str, part: Part, until: float) -> str | None:
    """One part in a process of one thread; None if time is up or it is there."""
    if time.monotonic() > until or part.path.exists():
        return None
    command = [sys.executable, "-m", module, *part.arguments]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return done.stdout.strip().splitlines()[-1]


def run_missing(module: str, parts: Sequence[Part]) -> None:
    """Runs ``module`` for the missing parts, in order: ``--minutes 15 --jobs 2``."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--jobs", type=int, default=1)
    args = parser.parse_args()
    until = time.monotonic() + 60 * args.minutes
    groups: dict[Hashable, list[Part]] = {}
    for part in parts:
        if not part.path.exists():
            groups.setdefault(part.shares, []).append(part)

    def work(group: list[Part]) -> None:
        for part in group:
            if line := run(module, part, until):
                print(line, flush=True)

    with ThreadPoolExecutor(args.jobs) as pool:
        try:
            for future in as_completed([pool.submit(work, group) for group in groups.values()]):
                future.result()
        except SystemExit:  # said at once, without beginning the other groups
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    print(f"{sum(part.path.exists() for part in parts)} of {len(parts)} are there")
