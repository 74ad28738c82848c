"""Makes one arm of one seed: ``python -m benchmarks.visual.agent TASK FEATURES ARM SEED UPDATES``."""

from __future__ import annotations

import logging
import sys
import time
import warnings

import structlog

from benchmarks.runner import save
from benchmarks.visual.study import Run, RunResult, data_path
from synth_replay.datasets import open_pixels
from synth_replay_visual import make_task, run_arm


def main() -> None:
    """Makes the run, saves its result and prints the mean returns."""
    warnings.simplefilter("ignore")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    task, features, arm, seed, updates = sys.argv[1:]
    run = Run(task, int(features), arm, int(seed), int(updates))
    started = time.perf_counter()
    result = run_arm(make_task(task), open_pixels(data_path(task)), run.config, arm, run.seed, run.folder)
    found = RunResult(result, run.features, time.perf_counter() - started)
    save(run, found.to_dict())
    means = {kind: round(sum(values) / len(values), 2) for kind, values in result.evaluation.returns.items()}
    print(" ".join(run.arguments), means, f"{found.seconds:.0f} s")


if __name__ == "__main__":
    main()
