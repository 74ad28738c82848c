"""SAC on HalfCheetah-v5 with and without synthetic replay, at the same number of updates per environment step.

    python examples/demo.py --out demo

Both arms run at once, one core each, with the same seed, network and six updates a step; the only difference is
the replay buffer class. Ends with a learning curve, marginal histograms and a table of fidelity and time.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

ENV = "HalfCheetah-v5"
ARMS = {"synthetic": "SAC + SyntheticReplayBuffer", "real": "SAC, real rows only"}
EVAL_EVERY = 500
EVAL_EPISODES = 5
UPDATES_PER_STEP = 6


def train_arm(arm: str, steps: int, seed: int, out: Path) -> None:
    """One agent; prints a JSON line at each evaluation, which the parent process reads."""
    import gymnasium as gym
    import numpy as np
    import torch
    from stable_baselines3 import SAC
    from stable_baselines3.common.callbacks import BaseCallback
    from stable_baselines3.common.evaluation import evaluate_policy
    from stable_baselines3.common.monitor import Monitor
    from synth_replay_sb3 import SyntheticReplayBuffer
    from synth_replay_sb3.conversion import stored_transitions

    from synth_replay import GeneratorConfig

    torch.set_num_threads(1)
    evaluation_env = Monitor(gym.make(ENV))
    started = time.perf_counter()

    class Report(BaseCallback):
        def _on_step(self) -> bool:
            if self.n_calls % EVAL_EVERY == 0:
                evaluation_env.reset(seed=1000 + seed)
                returns = evaluate_policy(self.model, evaluation_env, EVAL_EPISODES, return_episode_rewards=True)[0]
                line = {"step": self.n_calls, "returns": returns, "seconds": time.perf_counter() - started}
                stats = getattr(self.model.replay_buffer, "stats", None)
                print(json.dumps(line | {"synth": stats.to_dict() if stats else None}), flush=True)
            elif self.n_calls % 50 == 0:
                print(json.dumps({"step": self.n_calls}), flush=True)
            return True

    options: dict[str, Any] = {}
    if arm == "synthetic":
        config = GeneratorConfig.load(Path(__file__).with_name("demo_generator.yaml"))
        kwargs = {"generator": config, "refresh_every": 2_000, "real_ratio": 0.5, "progress": False}
        options = {"replay_buffer_class": SyntheticReplayBuffer, "replay_buffer_kwargs": kwargs}
    model = SAC(
        "MlpPolicy",
        ENV,
        gradient_steps=UPDATES_PER_STEP,
        learning_starts=1_000,
        batch_size=128,
        policy_kwargs={"net_arch": [128, 128]},
        seed=seed,
        device="cpu",
        **options,
    )
    model.learn(steps, callback=Report())
    rows = stored_transitions(model.replay_buffer)
    np.savez(out / f"{arm}.npz", **rows.columns())


def run_arms(steps: int, seed: int, out: Path) -> dict[str, list[dict[str, Any]]]:
    """Both arms in their own processes, with a progress bar for each."""
    from tqdm import tqdm

    curves: dict[str, list[dict[str, Any]]] = {arm: [] for arm in ARMS}

    def follow(arm: str, position: int) -> None:
        command = [
            sys.executable,
            __file__,
            "--arm",
            arm,
            "--steps",
            str(steps),
            "--seed",
            str(seed),
            "--out",
            str(out),
        ]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        with (
            (out / f"{arm}.log").open("w") as log,
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment) as process,
            tqdm(total=steps, desc=f"{ARMS[arm]:<28}", position=position, unit="step") as bar,
        ):
            for line in process.stdout or []:
                entry = json.loads(line)
                bar.update(entry["step"] - bar.n)
                if "returns" in entry:
                    curves[arm].append(entry)
                    bar.set_postfix_str(f"return {sum(entry['returns']) / len(entry['returns']):.0f}")
        if process.returncode:
            tail = (out / f"{arm}.log").read_text()[-2000:]
            raise SystemExit(f"The {arm} arm failed:\n{tail}")

    threads = [threading.Thread(target=follow, args=(arm, i)) for i, arm in enumerate(ARMS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if not all(curves.values()):
        raise SystemExit(f"An arm ended early: see {out}/*.log")
    return curves


def draw_curves(curves: dict[str, list[dict[str, Any]]], path: Path, seed: int) -> None:
    """Mean return of the evaluation episodes, with their range."""
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
    """Environment steps at which the generator was refitted."""
    counts = [0, *(entry["synth"]["refreshes"] for entry in curve)]
    return [
        entry["step"] - int(entry["synth"]["age"])
        for entry, before, after in zip(curve, counts, counts[1:], strict=False)
        if after > before
    ]


def draw_marginals(real: Any, generated: Any, path: Path) -> None:
    """Histograms of real and generated rows for the state, action and reward dimensions (SynthER, Figure 8)."""
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
    config = GeneratorConfig.load(Path(__file__).with_name("demo_generator.yaml"))
    generator = TransitionGenerator(env.observation_space, env.action_space, config, seed, device="cpu")
    started = time.perf_counter()
    generator.fit(train, progress=True)
    fitted = time.perf_counter()
    generated = generator.sample(10_000)
    sampled = time.perf_counter()
    scores, reference = evaluate(held, generated, env, train=train), evaluate(held, train, env, train=held)
    draw_marginals(held, generated, out / "marginals.png")
    last = curves["synthetic"][-1]
    table = [
        ("marginal (1 - mean KS), higher is better", f"{scores.marginal:.3f}", f"{reference.marginal:.3f}"),
        ("correlation similarity, higher is better", f"{scores.correlation:.3f}", f"{reference.correlation:.3f}"),
        ("median one-step dynamics error", f"{scores.dynamics_error:.1e}", f"{reference.dynamics_error:.1e}"),
        ("median reward error (normalised)", f"{scores.reward_error:.1e}", f"{reference.reward_error:.1e}"),
        ("share of near-copies of fitted rows", f"{scores.copy_share:.3f}", ""),
        (f"seconds to fit {len(train):,} rows", f"{fitted - started:.0f}", ""),
        ("seconds to generate 10,000 rows", f"{sampled - fitted:.1f}", ""),
        (
            "seconds of training, synthetic arm",
            f"{last['seconds']:.0f}",
            f"real arm {curves['real'][-1]['seconds']:.0f}",
        ),
        ("refreshes during training", f"{last['synth']['refreshes']:.0f}", ""),
    ]
    lines = ["| figure | generated rows | real rows |", "|---|---|---|"]
    lines += [f"| {name} | {value} | {real} |" for name, value, real in table]
    (out / "fidelity.json").write_text(json.dumps({"scores": scores.to_dict(), "curves": curves}, indent=1))
    return "\n".join(lines)


def main() -> None:
    """Runs the demo, or one arm of it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("demo"))
    parser.add_argument("--steps", type=int, default=7_000, help="environment steps of each arm")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--arm", choices=list(ARMS), help=argparse.SUPPRESS)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    if args.arm:
        train_arm(args.arm, args.steps, args.seed, args.out)
        return
    print(f"Training SAC on {ENV} twice, {args.steps:,} steps each, one core each: eight minutes or so.", flush=True)
    started = time.perf_counter()
    curves = run_arms(args.steps, args.seed, args.out)
    draw_curves(curves, args.out / "learning_curve.png", args.seed)
    table = write_fidelity(curves, args.out, args.seed)
    (args.out / "fidelity.md").write_text(f"# {ENV}: generated against real transitions\n\n{table}\n")
    print(f"\n{table}\n\nDone in {time.perf_counter() - started:.0f} s. Wrote:")
    for name in ("learning_curve.png", "marginals.png", "fidelity.md", "fidelity.json"):
        print(f"  {args.out / name}")


if __name__ == "__main__":
    main()
