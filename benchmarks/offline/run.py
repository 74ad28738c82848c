"""Trains the agents of the study that are not there yet: ``python -m benchmarks.offline.run --minutes 15 --jobs 2``."""

from __future__ import annotations

from benchmarks.offline.study import how_to_collect, parts, replay_path
from benchmarks.runner import run_missing


def main() -> None:
    """All environments whose replay is there."""
    todo = parts()
    for env_id in sorted({part.env_id for part in todo if not replay_path(part.env_id).exists()}):
        print(f"{env_id} is left out: {how_to_collect(env_id)}", flush=True)
        todo = [part for part in todo if part.env_id != env_id]
    run_missing("benchmarks.offline.agent", todo)


if __name__ == "__main__":
    main()
