"""Makes the runs that are not there yet: ``python -m benchmarks.offline_to_online.run --minutes 15 --jobs 2``."""

from __future__ import annotations

from benchmarks.offline_to_online.study import QUALITIES, dataset_path, how_to_collect, parts
from benchmarks.runner import run_missing


def main() -> None:
    """All environments whose data are there."""
    todo = parts()
    for env_id in sorted({part.env_id for part in todo}):
        if not all(dataset_path(env_id, quality).exists() for quality in QUALITIES):
            print(f"{env_id} is left out: {how_to_collect(env_id)}", flush=True)
            todo = [part for part in todo if part.env_id != env_id]
    run_missing("benchmarks.offline_to_online.agent", todo)


if __name__ == "__main__":
    main()
