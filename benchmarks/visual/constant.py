"""Returns of agents that always take the same action, in the study's evaluations.

``python -m benchmarks.visual.constant``
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np

from benchmarks.visual.study import ROOT, SEEDS, run_of
from synth_replay.spaces import Array
from synth_replay_visual import make_task, play_environments

TASK, ACTIONS = "coinrun", {"right": 7, "right and up": 8}
FRAME_SIZE = 64


@dataclass(frozen=True)
class ConstantActor:
    """An agent with one action.

    Attributes:
        action: Number of the action.
    """

    action: int

    def predict(self, observations: Array, /) -> Array:
        """Returns the action for every observation."""
        return np.full(len(observations), self.action)


def mean_returns(action: int) -> dict[str, list[float]]:
    """Plays the evaluations of all seeds, and returns the mean returns ``[seeds]`` by kind of environment."""
    task, config = make_task(TASK), run_of(TASK).config
    played = [play_environments(task, ConstantActor(action), FRAME_SIZE, config, seed) for seed in SEEDS]
    return {kind: [float(np.mean(found[kind].returns)) for found in played] for kind in (task.train, *task.tests)}


def main() -> None:
    """Writes the mean returns of all actions to ``results/visual_constant.json``."""
    found = {name: mean_returns(action) for name, action in ACTIONS.items()}
    for name, returns in found.items():
        print(name, {kind: round(float(np.mean(means)), 2) for kind, means in returns.items()})
    (ROOT.parent / "results" / "visual_constant.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
