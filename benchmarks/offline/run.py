"""Makes the missing runs of the study: ``python -m benchmarks.offline.run --minutes 15 --jobs 2``."""

from __future__ import annotations

from benchmarks.offline.study import how_to_collect, replay_path, runs
from benchmarks.runner import run_missing


def main() -> None:
    """Makes the runs of all environments whose replay exists."""
    todo = runs()
    for env_id in sorted({run.env_id for run in todo if not replay_path(run.env_id).exists()}):
        print(f"{env_id} is left out: {how_to_collect(env_id)}", flush=True)
        todo = [run for run in todo if run.env_id != env_id]
    run_missing("benchmarks.offline.agent", todo)


if __name__ == "__main__":
    main()
