"""Makes the missing runs of a study within a time limit, each in its own process.

Every run writes one file, so an interruption loses at most the runs in progress.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any, Protocol

REPOSITORY = Path(__file__).parents[1]


class Run(Protocol):
    """The interface of one run of a study."""

    @property
    def path(self) -> Path:
        """Result file."""
        ...

    @property
    def arguments(self) -> list[str]:
        """Command-line arguments of the module that makes the run."""
        ...

    @property
    def group(self) -> Hashable:
        """Group of runs that share a cached generator or policy, and are therefore made one after the other."""
        ...


def save(run: Run, found: dict[str, Any]) -> None:
    """Writes the result of a run at once, so that an interruption leaves no half of one."""
    run.path.parent.mkdir(exist_ok=True)
    partial = run.path.with_suffix(f".{os.getpid()}.partial")
    partial.write_text(json.dumps(found) + "\n")
    partial.replace(run.path)


def make(module: str, run: Run, until: float) -> str | None:
    """Makes one run in a process with one thread.

    Args:
        module: Module that makes the run.
        run: Run to make.
        until: Time of :func:`time.monotonic` after which no run starts.

    Returns:
        The last line that the process printed, or None if the time is over or the result exists.

    Raises:
        SystemExit: If the process fails.
    """
    if time.monotonic() > until or run.path.exists():
        return None
    command = [sys.executable, "-m", module, *run.arguments]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return done.stdout.strip().splitlines()[-1]


def run_missing(module: str, runs: Sequence[Run]) -> None:
    """Makes the missing runs in order, with the command-line options ``--minutes 15 --jobs 2``.

    Args:
        module: Module that makes a run.
        runs: All runs of the study.

    Raises:
        SystemExit: If a run fails.
    """
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, default=15, help="no run starts after this time")
    parser.add_argument("--jobs", type=int, default=1, help="runs at the same time")
    args = parser.parse_args()
    until = time.monotonic() + 60 * args.minutes
    groups: dict[Hashable, list[Run]] = {}
    for run in runs:
        if not run.path.exists():
            groups.setdefault(run.group, []).append(run)

    def work(group: list[Run]) -> None:
        for run in group:
            if line := make(module, run, until):
                print(line, flush=True)

    with ThreadPoolExecutor(args.jobs) as pool:
        try:
            for future in as_completed([pool.submit(work, group) for group in groups.values()]):
                future.result()
        except SystemExit:  # reported at once, before the other groups start
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    print(f"{sum(run.path.exists() for run in runs)} of {len(runs)} runs are done")
