"""Makes the missing arms of the study: ``python -m benchmarks.visual.run --minutes 15 --jobs 2``."""

from __future__ import annotations

from benchmarks.runner import run_missing
from benchmarks.visual.study import TASKS, data_path, how_to_collect, runs


def main() -> None:
    """Makes the runs of all tasks whose datasets exist."""
    todo = runs()
    for task in TASKS:
        if not data_path(task).exists():
            print(f"{task} is left out: {how_to_collect(task)}", flush=True)
            todo = [run for run in todo if run.task != task]
    run_missing("benchmarks.visual.agent", todo)


if __name__ == "__main__":
    main()
