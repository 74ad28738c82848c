"""Makes the missing runs of the study: ``python -m benchmarks.pressure.run --minutes 15 --jobs 2``."""

from __future__ import annotations

from benchmarks.offline.study import how_to_collect, replay_path
from benchmarks.pressure.study import ENVIRONMENTS, runs
from benchmarks.runner import run_missing


def main() -> None:
    """Makes the runs of all environments whose replay exists."""
    lacking = {env_id for env_id in ENVIRONMENTS if not replay_path(env_id).exists()}
    for env_id in sorted(lacking):
        print(f"{env_id} is left out: {how_to_collect(env_id)}", flush=True)
    run_missing("benchmarks.pressure.agent", [run for run in runs() if run.env_id not in lacking])


if __name__ == "__main__":
    main()
