"""Runs the parts of the study that are not there yet, for a while: ``python run.py --minutes 15 --jobs 2``.

Each agent is its own process and its own file in ``runs/``, so a stop loses one agent at most.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from study import ROOT, RUNS, Part, how_to_collect, parts, replay_path


def train(part: Part, until: float) -> str | None:
    """One agent in a process of one thread; None if time is up or it is there."""
    if time.monotonic() > until or part.path.exists():
        return None
    command = [sys.executable, "agent.py", part.env_id, str(part.rows), part.arm, part.algorithm, str(part.seed)]
    command += ["larger"] if part.larger else []
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return done.stdout.strip().splitlines()[-1]


def groups(todo: list[Part]) -> list[list[Part]]:
    """Parts that share a generator, together, so that no two processes fit the same one; larger networks come last."""
    found: dict[tuple[str, int, str, int, bool], list[Part]] = {}
    for part in todo:
        found.setdefault((part.env_id, part.rows, part.arm, part.seed, part.larger), []).append(part)
    return list(found.values())


def main() -> None:
    """Parse, run, say what is left."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--jobs", type=int, default=1)
    args = parser.parse_args()
    RUNS.mkdir(exist_ok=True)
    until = time.monotonic() + 60 * args.minutes

    def work(group: list[Part]) -> None:
        for part in group:
            if line := train(part, until):
                print(line, flush=True)

    todo = [part for part in parts() if not part.path.exists()]
    for env_id in {part.env_id for part in todo if not replay_path(part.env_id).exists()}:
        print(f"{env_id} is left out: {how_to_collect(env_id)}", flush=True)
        todo = [part for part in todo if part.env_id != env_id]
    with ThreadPoolExecutor(args.jobs) as pool:
        for future in [pool.submit(work, group) for group in groups(todo)]:
            future.result()
    print(f"{sum(part.path.exists() for part in parts())} of {len(parts())} agents are there")


if __name__ == "__main__":
    main()
