"""One arm of one seed: ``python -m benchmarks.visual.agent TASK FEATURES ARM SEED UPDATES``."""

from __future__ import annotations

import json
import logging
import os
import sys
import time
import warnings

import structlog

from benchmarks.visual.study import Part, data_path
from synth_replay.datasets import open_pixels
from synth_replay_visual import make_task, run_arm


def main() -> None:
    """Runs it and keeps the result."""
    warnings.simplefilter("ignore")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    task, features, arm, seed, updates = sys.argv[1:]
    part = Part(task, int(features), arm, int(seed), int(updates))
    started = time.perf_counter()
    found = run_arm(make_task(task), open_pixels(data_path(task)), part.size, arm, part.seed, part.folder)
    found |= {"features": part.features, "seconds": time.perf_counter() - started}
    part.path.parent.mkdir(exist_ok=True)
    partial = part.path.with_suffix(f".{os.getpid()}.partial")
    partial.write_text(json.dumps(found, indent=1) + "\n")
    partial.replace(part.path)
    means = {kind: round(sum(values) / len(values), 2) for kind, values in found["returns"].items()}
    print(" ".join(part.arguments), means, f"{found['seconds']:.0f} s")


if __name__ == "__main__":
    main()
