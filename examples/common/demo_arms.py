"""The two agents of demo.py, each in its own process."""

from __future__ import annotations

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
EXAMPLES = Path(__file__).parents[1]


def train_arm(arm: str, steps: int, seed: int, out: Path) -> None:
    """One agent; prints a JSON line at each evaluation, which the parent process reads."""
    import gymnasium as gym
    import numpy as np
    import torch
    from stable_baselines3 import SAC
    from stable_baselines3.common.callbacks import BaseCallback
    from stable_baselines3.common.evaluation import evaluate_policy
    from stable_baselines3.common.monitor import Monitor

    from synth_replay import GeneratorConfig
    from synth_replay_sb3 import SyntheticReplayBuffer
    from synth_replay_sb3.conversion import stored_transitions

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
        config = GeneratorConfig.load(EXAMPLES / "demo_generator.yaml")
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
            str(EXAMPLES / "demo.py"),
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
