"""The report's scores of rows of known quality: ``python benchmarks/verdict.py``.

Scores real rows of other episodes, real rows with additive noise, and the rows of short and longer fits with and
without the clip to the observed range. The limits in ``synth_replay/report/thresholds.py`` follow from this table and
from ``benchmarks/fidelity.py``. Takes ten minutes on one core.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import gymnasium as gym
import numpy as np
from shared import report

from synth_replay import TransitionGenerator, Transitions
from synth_replay.augment.states import additive_noise
from synth_replay.generator import CPU, GeneratorConfig
from synth_replay.report.measure import measure
from synth_replay.report.rows import comparable_rows
from synth_replay.testing.case import random_rollout

FITTED, HELD = 4_000, 2_000
ENVIRONMENTS = ("Pendulum-v1", "CartPole-v1", "Hopper-v5")
STEPS = (200, 1_000, 5_000)


def line(env_id: str, label: str, real: Transitions, held: Transitions, made: Transitions) -> dict[str, Any]:
    """Scores rows as the report does, and returns one line of the table."""
    found = measure(comparable_rows(real, made, held), gym.make(env_id), None, 0, lambda _: None)
    checks, reference = found.verdict, found.reference
    assert reference is not None
    return {
        "environment": env_id,
        "rows": label,
        "marginal below real": reference.marginal - found.scores.marginal,
        "dynamics error": found.scores.dynamics_error,
        "reward error": found.scores.reward_error,
        "outside the range": checks["range"].value,
        "far": checks["support"].value,
        "verdict": checks.level,
    }


def settings(steps: int) -> GeneratorConfig:
    """Returns the CPU preset with a smaller network, batch and number of steps."""
    training = replace(CPU.training, steps=steps, batch_size=256, eval_every=steps // 5, patience=99)
    relabel = replace(CPU.relabel, steps=min(steps, 2_000), width=128)
    return replace(CPU, network=replace(CPU.network, width=128, depth=3), training=training, relabel=relabel)


def generated(env_id: str, real: Transitions, steps: int) -> dict[str, Transitions]:
    """Fits a generator and returns its rows with and without the clip, drawn with the same random numbers."""
    env = gym.make(env_id)
    generator = TransitionGenerator(env.observation_space, env.action_space, settings(steps), 0, "cpu").fit(real)
    made = {}
    for support, suffix in (("clip", ""), ("off", ", not clipped")):
        assert generator._model is not None
        codec = generator._model.codec
        codec.config = replace(codec.config, support=support)
        generator.reseed(1)
        made[f"fit of {steps:,} steps{suffix}"] = generator.sample(FITTED)
    return made


def main() -> None:
    """Scores all rows of all environments."""
    table = []
    for env_id in ENVIRONMENTS:
        rows = random_rollout(env_id, FITTED + HELD, 0)
        real, held = rows[:FITTED], rows[FITTED:]
        sets = {
            "other real rows": random_rollout(env_id, FITTED, 5),
            "real rows, noise 0.1": additive_noise(real, np.random.default_rng(0)),
        }
        for steps in STEPS:
            sets |= generated(env_id, real, steps)
        table += [line(env_id, label, real, held, made) for label, made in sets.items()]
    report("verdict", table, fitted_rows=FITTED, holdout_rows=HELD)


if __name__ == "__main__":
    main()
