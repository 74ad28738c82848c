"""Transitions per CPU-second and fidelity of every sampler and step count, on the same weights (Hopper-v5 replay)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import gymnasium as gym
from shared import cpu_seconds, fitted, replay, report

from synth_replay import TransitionGenerator, Transitions, evaluate
from synth_replay.generator import CPU, PAPER, SamplerConfig

ENV = "Hopper-v5"
FAST, SLOW = 20_480, 4_096
SAMPLERS: dict[str, SamplerConfig] = {
    "paper: heun_sde 128": PAPER.sampler,
    "heun_sde 32": replace(PAPER.sampler, steps=32),
    "heun_ode 32": SamplerConfig(name="heun_ode", steps=32),
    "heun_ode 18": SamplerConfig(name="heun_ode", steps=18),
    "dpmpp_2m 20": SamplerConfig(name="dpmpp_2m", steps=20),
    "dpmpp_2m 16": SamplerConfig(name="dpmpp_2m", steps=16),
    "dpmpp_2m 16, sigma_max 10 (default)": CPU.sampler,
    "dpmpp_2m 10, sigma_max 10": replace(CPU.sampler, steps=10),
}


def timed(generator: TransitionGenerator, sampler: SamplerConfig, count: int) -> tuple[Transitions, float]:
    """Samples rows and measures rows per CPU-second."""
    rows: list[Transitions] = []
    seconds = cpu_seconds(lambda: rows.append(generator.sample(count, sampler=sampler)))
    return rows[0], count / seconds


def main() -> None:
    """Measures all samplers; the baseline is the mean of the paper's sampler, timed before and after the others."""
    generator, _ = fitted(ENV, CPU, "cpu")
    holdout, env = replay(ENV)[1], gym.make(ENV)
    timed(generator, CPU.sampler, 4096)
    table: list[dict[str, Any]] = []
    for label, sampler in [*SAMPLERS.items(), ("paper again", PAPER.sampler)]:
        rows, speed = timed(generator, sampler, SLOW if sampler.evaluations > 100 else FAST)
        found = evaluate(holdout, rows, env)
        line: dict[str, Any] = {"sampler": label, "NFE": sampler.evaluations, "rows/CPU-s": speed}
        line |= {"marginal": found.marginal, "correlation": found.correlation, "dynamics error": found.dynamics_error}
        table.append(line | {"generated": len(rows)})
    baseline = (table[0]["rows/CPU-s"] + table[-1]["rows/CPU-s"]) / 2
    for line in table:
        line["speed ratio"] = line["rows/CPU-s"] / baseline
    report("sampling", table, environment=ENV)


if __name__ == "__main__":
    main()
