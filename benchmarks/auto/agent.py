"""Makes one run of the study: ``python -m benchmarks.auto.agent CELL ARM SEED``."""

from __future__ import annotations

import sys
import time
from importlib import import_module

from benchmarks.auto.study import ARMS, CELLS, Run
from benchmarks.offline.study import generator
from benchmarks.runner import save

MODULES = {"offline": "benchmarks.auto.offline", "online": "benchmarks.auto.online", "mixed": "benchmarks.auto.online"}


def run_of(name: str, arm: str, seed: str) -> Run:
    """Returns the run of the command line.

    Raises:
        SystemExit: If there is no such cell or arm.
    """
    cells = {cell.name: cell for cell in CELLS}
    if name not in cells or arm not in ARMS:
        raise SystemExit(f"CELL is one of {', '.join(cells)}; ARM is one of {', '.join(ARMS)}.")
    return Run(cells[name], arm, int(seed))


def main() -> None:
    """Makes one run and writes its result."""
    run = run_of(*sys.argv[1:])
    if run.cell.kind == "offline" and ARMS[run.arm] is not None:
        generator("default", run.cell.env_id, run.cell.rows, run.seed)  # all arms share it, so no arm pays for it
    started = time.perf_counter()
    found = import_module(MODULES[run.cell.kind]).train(run)
    found = {"cell": run.cell.name, "arm": run.arm, "seed": run.seed} | found
    found |= {"seconds": round(time.perf_counter() - started, 1)}
    save(run, found)
    print(run.path.stem, f"{found['seconds']:.0f} s", *(f"{score:.1f}" for score in found["curve"]))


if __name__ == "__main__":
    main()
