"""Makes the missing runs of the study: ``python -m benchmarks.auto.run --minutes 15 --jobs 2``."""

from __future__ import annotations

from benchmarks.auto.study import runs
from benchmarks.offline.study import how_to_collect, replay_path
from benchmarks.runner import run_missing


def main() -> None:
    """Makes the runs of all cells whose replay exists."""
    todo = runs()
    needed = {run.cell.env_id for run in todo if run.cell.kind != "online"}
    lacking = {env_id for env_id in needed if not replay_path(env_id).exists()}
    for env_id in sorted(lacking):
        print(f"{env_id} is left out: {how_to_collect(env_id)}", flush=True)
    run_missing("benchmarks.auto.agent", [r for r in todo if r.cell.kind == "online" or r.cell.env_id not in lacking])


if __name__ == "__main__":
    main()
