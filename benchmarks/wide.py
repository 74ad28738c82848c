"""Fidelity of wide rows, diffused along principal axes or columns: ``python benchmarks/wide.py``.

The rows are those of a random policy in Ant and Humanoid: 16,000 are fitted, in 3,000 steps of 256 rows, and 4,000 are
held out. The simulator gives a further score: joint angles change by the time step times the mean of the velocities
before and after, up to the error of its integrator. The table has the median deviation, in standard deviations of an
angle.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
from shared import report

from synth_replay import TransitionGenerator, Transitions, evaluate
from synth_replay.generator import CPU, CodecConfig
from synth_replay.testing import random_rollout

ROWS, HELD = 20_000, 4_000


class Joints(NamedTuple):
    """Positions of the joints' angles and velocities in the observations, and the seconds of a step."""

    angles: slice
    velocities: slice
    seconds: float


TASKS = {
    "Ant-v5": Joints(slice(5, 13), slice(19, 27), 0.05),
    "Humanoid-v5": Joints(slice(5, 22), slice(28, 45), 0.015),
}
ARMS = {
    "default": CodecConfig(),
    "axes, delta": CodecConfig(next_observations="delta"),
    "axes, absolute": CodecConfig(next_observations="absolute"),
    "columns, delta": CodecConfig(next_observations="delta", decorrelate="never"),
}


def slip(rows: Transitions, joints: Joints, scale: np.ndarray) -> float:
    """Computes the median deviation of the angles' change from the velocities, in standard deviations of the angles."""
    before, after = rows.observations, rows.next_observations
    moved = after[:, joints.angles] - before[:, joints.angles]
    expected = joints.seconds * (before[:, joints.velocities] + after[:, joints.velocities]) / 2
    return float(np.median(np.abs(moved - expected) / scale))


def lines(env_id: str, joints: Joints) -> list[dict[str, Any]]:
    """Scores real rows and the rows of each arm against the hold-out."""
    rows = replace(random_rollout(env_id, ROWS, seed=0), truncations=None)
    rows = rows[np.random.default_rng(0).permutation(ROWS)]
    held, train = rows[:HELD], rows[HELD:]
    scale = train.observations[:, joints.angles].std(axis=0)
    env, given = gym.make(env_id), {"real rows": train}
    training = replace(CPU.training, steps=3_000, batch_size=256)
    for name, codec in ARMS.items():
        config = replace(CPU, codec=codec, training=training, relabel=replace(CPU.relabel, enabled=False))
        fitted = TransitionGenerator(env.observation_space, env.action_space, config, 0).fit(train, progress=True)
        given[name] = fitted.sample(len(train))
    found = []
    for name, those in given.items():
        scores = evaluate(held, those, train=train)
        figures = {"marginal": scores.marginal, "correlation": scores.correlation}
        size = int((train.observations.std(axis=0) > 0).sum())
        found.append({"task": env_id, "rows": name, "observed": size} | figures | {"slip": slip(those, joints, scale)})
    return found


if __name__ == "__main__":
    report("wide", [line for env_id, joints in TASKS.items() for line in lines(env_id, joints)])
