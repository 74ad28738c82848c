"""The pictures and the table of demo.py."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.demo_arms import ARMS, ENV, EVAL_EPISODES, EXAMPLES, UPDATES_PER_STEP

if TYPE_CHECKING:
    from synth_replay import FidelityScores


def draw_curves(curves: dict[str, list[dict[str, Any]]], path: Path, seed: int) -> None:
    """Draws the mean return of the evaluation episodes with its range."""
    import matplotlib.pyplot as plt
    import numpy as np

    figure, axes = plt.subplots(figsize=(7.5, 4.5), layout="constrained")
    for (arm, label), color in zip(ARMS.items(), ("#1f77b4", "#ff7f0e"), strict=True):
        steps = [entry["step"] for entry in curves[arm]]
        returns = np.array([entry["returns"] for entry in curves[arm]])
        axes.plot(steps, returns.mean(axis=1), color=color, label=label, linewidth=2)
        axes.fill_between(steps, returns.min(axis=1), returns.max(axis=1), color=color, alpha=0.15)
    for i, step in enumerate(_refreshes(curves["synthetic"])):
        axes.axvline(step, color="grey", linestyle=":", linewidth=1, label=None if i else "generator refitted")
    axes.set(
        xlabel="environment steps",
        ylabel=f"return of {EVAL_EPISODES} evaluation episodes (mean, range)",
        title=f"{ENV}, {UPDATES_PER_STEP} updates per step in both arms, seed {seed} (one run, no statistics)",
    )
    axes.legend()
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=150)


def _refreshes(curve: list[dict[str, Any]]) -> list[int]:
    """Lists the environment steps at which the generator was refitted."""
    counts = [0, *(entry["synth"]["refreshes"] for entry in curve)]
    return [
        entry["step"] - int(entry["synth"]["age"])
        for entry, before, after in zip(curve, counts, counts[1:], strict=False)
        if after > before
    ]


def draw_marginals(real: Any, generated: Any, path: Path) -> None:
    """Draws histograms of real and generated rows for state, action and reward dimensions (SynthER, Figure 8)."""
    import matplotlib.pyplot as plt
    import numpy as np

    columns = [(f"observation {i}", real.observations[:, i], generated.observations[:, i]) for i in range(17)]
    columns += [(f"action {i}", real.actions[:, i], generated.actions[:, i]) for i in range(6)]
    columns += [("reward", real.rewards, generated.rewards)]
    figure, grid = plt.subplots(4, 6, figsize=(13, 8), layout="constrained")
    for axes, (name, a, b) in zip(grid.flat, columns, strict=True):
        bins = np.linspace(*np.quantile(np.r_[a, b], [0.002, 0.998]), 50)
        axes.hist(a, bins, density=True, alpha=0.55, color="#ff7f0e", label="real (held out)")
        axes.hist(b, bins, density=True, alpha=0.55, color="#1f77b4", label="generated")
        axes.set_title(name, fontsize=9)
        axes.tick_params(labelsize=7)
        axes.set_yticks([])
    figure.legend(*grid.flat[0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    figure.savefig(path, dpi=130)


def write_fidelity(curves: dict[str, list[dict[str, Any]]], out: Path, seed: int) -> str:
    """Fits a fresh generator on four fifths of the collected rows and scores it on the rest."""
    import gymnasium as gym
    import numpy as np

    from synth_replay import GeneratorConfig, TransitionGenerator, Transitions, evaluate

    rows = Transitions(**dict(np.load(out / "synthetic.npz")))
    order = np.random.default_rng(seed).permutation(len(rows))
    held, train = rows[order[: len(rows) // 5]], rows[order[len(rows) // 5 :]]
    env = gym.make(ENV)
    config = GeneratorConfig.load(EXAMPLES / "demo_generator.yaml")
    generator = TransitionGenerator(env.observation_space, env.action_space, config, seed, device="cpu")
    started = time.perf_counter()
    generator.fit(train, progress=True)
    fitted = time.perf_counter()
    generated = generator.sample(10_000)
    sampled = time.perf_counter()
    scores, reference = evaluate(held, generated, env, train=train), evaluate(held, train, env, train=held)
    draw_marginals(held, generated, out / "marginals.png")
    seconds = (fitted - started, sampled - fitted)
    (out / "fidelity.json").write_text(json.dumps({"scores": scores.to_dict(), "curves": curves}, indent=1))
    return _table(scores, reference, len(train), seconds, curves)


def _table(
    scores: FidelityScores,
    reference: FidelityScores,
    fitted_rows: int,
    seconds: tuple[float, float],
    curves: dict[str, list[dict[str, Any]]],
) -> str:
    """Formats the scores of generated and real rows, and the times; ``seconds`` are those of fit and sampling."""
    last = curves["synthetic"][-1]
    table = [
        ("marginal (1 - mean KS), higher is better", f"{scores.marginal:.3f}", f"{reference.marginal:.3f}"),
        ("correlation similarity, higher is better", f"{scores.correlation:.3f}", f"{reference.correlation:.3f}"),
        ("median one-step dynamics error", f"{scores.dynamics_error:.1e}", f"{reference.dynamics_error:.1e}"),
        ("median reward error (normalised)", f"{scores.reward_error:.1e}", f"{reference.reward_error:.1e}"),
        ("share of near-copies of fitted rows", f"{scores.copy_share:.3f}", ""),
        (f"seconds to fit {fitted_rows:,} rows", f"{seconds[0]:.0f}", ""),
        ("seconds to generate 10,000 rows", f"{seconds[1]:.1f}", ""),
        (
            "seconds of training, synthetic arm",
            f"{last['seconds']:.0f}",
            f"real arm {curves['real'][-1]['seconds']:.0f}",
        ),
        ("refreshes during training", f"{last['synth']['refreshes']:.0f}", ""),
    ]
    lines = ["| figure | generated rows | real rows |", "|---|---|---|"]
    lines += [f"| {name} | {value} | {real} |" for name, value, real in table]
    return "\n".join(lines)
