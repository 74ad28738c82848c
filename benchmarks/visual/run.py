"""Makes the arms that are not there yet: ``python -m benchmarks.visual.run --minutes 15 --jobs 2``."""

from __future__ import annotations

from benchmarks.runner import run_missing
from benchmarks.visual.study import TASKS, data_path, how_to_collect, parts


def main() -> None:
    """All tasks whose data are there."""
    todo = parts()
    for task in TASKS:
        if not data_path(task).exists():
            print(f"{task} is left out: {how_to_collect(task)}", flush=True)
            todo = [part for part in todo if part.task != task]
    run_missing("benchmarks.visual.agent", todo)


if __name__ == "__main__":
    main()
