"""What an agent has that always does the same: ``python -m benchmarks.visual.constant``, in the study's evaluations."""

from __future__ import annotations

import json
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np

from benchmarks.visual.study import ROOT, SEEDS, TASKS, Part
from synth_replay_visual import make_task
from synth_replay_visual.evaluation import play
from synth_replay_visual.pipeline import TEST_SEED

TASK, ACTIONS = "coinrun", {"right": 7, "right and up": 8}


def constant(action: int) -> Any:
    """An agent of one action."""
    return SimpleNamespace(predict=lambda seen: np.full(len(seen), action))


def main() -> None:
    """Means over the seeds, in ``results/visual_constant.json``."""
    task, found = make_task(TASK), {}
    size = Part(TASK, TASKS[TASK][1], "baseline", 0).size
    for name, action in ACTIONS.items():
        found[name] = {
            kind: [
                float(np.mean(play(constant(action), make, size.episodes, TEST_SEED * (seed + 1), size.epsilon)[0]))
                for seed in SEEDS
            ]
            for kind, make in ((kind, partial(task.make_env, kind, 64)) for kind in (task.train, *task.tests))
        }
        print(name, {kind: round(float(np.mean(means)), 2) for kind, means in found[name].items()})
    (ROOT.parent / "results" / "visual_constant.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
