"""Makes the missing runs of the study: ``python -m benchmarks.online.run --minutes 15 --jobs 2``."""

from __future__ import annotations

from benchmarks.online.study import runs
from benchmarks.runner import run_missing


def main() -> None:
    """Makes the runs."""
    run_missing("benchmarks.online.agent", runs())


if __name__ == "__main__":
    main()
