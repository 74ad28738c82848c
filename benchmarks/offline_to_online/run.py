"""Makes the missing runs of the study: ``python -m benchmarks.offline_to_online.run --minutes 15 --jobs 2``."""

from __future__ import annotations

from benchmarks.offline_to_online.study import QUALITIES, dataset_path, how_to_collect, runs
from benchmarks.runner import run_missing


def main() -> None:
    """Makes the runs of all environments whose data exist."""
    todo = runs()
    for env_id in sorted({run.env_id for run in todo}):
        if not all(dataset_path(env_id, quality).exists() for quality in QUALITIES):
            print(f"{env_id} is left out: {how_to_collect(env_id)}", flush=True)
            todo = [run for run in todo if run.env_id != env_id]
    run_missing("benchmarks.offline_to_online.agent", todo)


if __name__ == "__main__":
    main()
