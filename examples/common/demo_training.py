"""Training of one agent of demo.py."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from stable_baselines3 import SAC
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor

from common.demo_arms import ENV, EVAL_EPISODES, EVAL_EVERY, EXAMPLES, UPDATES_PER_STEP
from synth_replay import GeneratorConfig
from synth_replay_sb3 import SyntheticReplayBuffer, stored_transitions


class Report(BaseCallback):
    """Prints the progress as JSON lines, with the returns and the buffer's statistics at each evaluation."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.env, self.seed, self.started = Monitor(gym.make(ENV)), seed, time.perf_counter()

    def _on_step(self) -> bool:
        if self.n_calls % EVAL_EVERY == 0:
            self.env.reset(seed=1000 + self.seed)
            returns = evaluate_policy(self.model, self.env, EVAL_EPISODES, return_episode_rewards=True)[0]
            line = {"step": self.n_calls, "returns": returns, "seconds": time.perf_counter() - self.started}
            stats = getattr(self.model.replay_buffer, "stats", None)
            print(json.dumps(line | {"synth": stats.to_dict() if stats else None}), flush=True)
        elif self.n_calls % 50 == 0:
            print(json.dumps({"step": self.n_calls}), flush=True)
        return True


def train_arm(arm: str, steps: int, seed: int, out: Path) -> None:
    """Trains one agent and saves its rows; prints a JSON line at each evaluation, which the parent process reads."""
    torch.set_num_threads(1)
    report = Report(seed)
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
    model.learn(steps, callback=report)
    rows = stored_transitions(model.replay_buffer)
    np.savez(out / f"{arm}.npz", **rows.columns())
