"""Fidelity of the default CPU preset on replays of real agents, compared with real rows and with the paper's sampler.

The replays are Hopper-v5 of SAC, and CartPole-v1 (discrete actions) and Acrobot-v1 (discrete actions, 0.2 %
terminations) of DQN. 50,000 rows are fitted, 10,000 are held out, 50,000 are generated. "without relabelling" is the
same generator with the denoiser's own rewards and terminations.
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym
from shared import fitted, replay, report

from synth_replay import Transitions, evaluate
from synth_replay.generator import CPU, PAPER

GENERATED = 50_000
SCORES = (
    "marginal",
    "correlation",
    "termination_rate",
    "dynamics_error",
    "reward_error",
    "reward_error_mean",
    "termination_precision",
    "termination_recall",
    "copy_share",
)


def scores(label: str, env_id: str, rows: Transitions, evaluations: int, seconds: float) -> dict[str, Any]:
    """Scores rows and returns one line of the table."""
    train, holdout = replay(env_id)
    found = evaluate(holdout, rows, gym.make(env_id), train=train, dynamics_rows=10_000).to_dict()
    line: dict[str, Any] = {"environment": env_id, "rows": label, "NFE": evaluations}
    line |= {name: found[name] for name in SCORES}
    return line | {"fitted rate": float(train.terminations.mean()), "fit s": seconds}


def main() -> None:
    """Fits generators that are not cached, then scores their rows."""
    table = []
    for env_id in ("Hopper-v5", "CartPole-v1", "Acrobot-v1"):
        generator, seconds = fitted(env_id, CPU, "cpu")
        table.append(scores("real rows", env_id, replay(env_id)[0][:GENERATED], 0, 0.0))
        default = generator.config.sampler
        table.append(scores("cpu preset", env_id, generator.sample(GENERATED), default.evaluations, seconds))
        raw = generator.sample(GENERATED, relabel=False)
        table.append(scores("without relabelling", env_id, raw, default.evaluations, seconds))
        if env_id == "Hopper-v5":
            slow = generator.sample(10_000, sampler=PAPER.sampler, progress=True)
            table.append(scores("same weights, paper sampler", env_id, slow, PAPER.sampler.evaluations, seconds))
    report("fidelity", table, generated_rows=GENERATED, holdout_rows=10_000)


if __name__ == "__main__":
    main()
