"""An agent, its snapshots, and the datasets they make, for collect_dataset.py."""

from __future__ import annotations

import argparse
import copy
import json
from typing import Any

import gymnasium as gym
import numpy as np
import stable_baselines3 as sb3
import torch
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm

KINDS = ("replay", "random", "medium", "medium-replay", "expert")
COLUMNS = ("observations", "actions", "rewards", "next_observations", "terminations", "truncations")
MEDIUM_SHARE = 1 / 3
EPISODES = 5


class Snapshots(BaseCallback):
    """Evaluates the policy now and then, and keeps its weights."""

    def __init__(self, env_id: str, every: int) -> None:
        super().__init__()
        self.env, self.every = Monitor(gym.make(env_id)), every
        self.taken: list[tuple[int, float, dict[str, Any]]] = []

    def take(self) -> None:
        """One snapshot: step, mean return, weights."""
        self.env.reset(seed=self.num_timesteps)
        score, _ = evaluate_policy(self.model, self.env, EPISODES)
        self.taken.append((self.num_timesteps, float(score), copy.deepcopy(self.model.policy.state_dict())))
        print(f"step {self.num_timesteps}: return {score:.1f}", flush=True)

    def _on_training_start(self) -> None:
        self.take()

    def _on_step(self) -> bool:
        if self.n_calls % self.every == 0:
            self.take()
        return True


def replay_columns(model: OffPolicyAlgorithm) -> dict[str, np.ndarray]:
    """The model's replay buffer as transition columns; timeouts do not count as ends."""
    buffer: Any = model.replay_buffer
    rows = slice(0, buffer.size())

    def flat(a: np.ndarray) -> np.ndarray:
        return a[rows].reshape(-1, *a.shape[2:])

    actions = flat(buffer.actions)
    if isinstance(model.action_space, gym.spaces.Box):
        actions = model.policy.unscale_action(actions)
    else:
        actions = actions.reshape(-1)
    return {
        "observations": flat(buffer.observations),
        "actions": actions,
        "rewards": flat(buffer.rewards),
        "next_observations": flat(buffer.next_observations),
        "terminations": flat(buffer.dones) * (1 - flat(buffer.timeouts)),
        "truncations": flat(buffer.timeouts),
    }


def rollout_columns(model: OffPolicyAlgorithm, env_id: str, steps: int, seed: int) -> dict[str, np.ndarray]:
    """``steps`` transitions of the model's stochastic policy."""
    env = gym.make(env_id)
    columns: dict[str, list[Any]] = {name: [] for name in COLUMNS}
    obs, _ = env.reset(seed=seed)
    for _ in range(steps):
        action, _ = model.predict(obs, deterministic=False)
        after, reward, terminated, truncated, _ = env.step(action)
        row = (obs, action, reward, after, terminated, truncated)
        for name, value in zip(COLUMNS, row, strict=True):
            columns[name].append(value)
        obs = env.reset()[0] if terminated or truncated else after
    return {name: np.asarray(values) for name, values in columns.items()}


def datasets(model: OffPolicyAlgorithm, shots: Snapshots, args: argparse.Namespace) -> dict[str, dict[str, np.ndarray]]:
    """The columns of each kind that was asked for."""
    replay = replay_columns(model)
    _, start, untrained = shots.taken[0]
    _, best, expert = max(shots.taken, key=lambda shot: shot[1])
    step, _, medium = next(shot for shot in shots.taken if shot[1] >= start + MEDIUM_SHARE * (best - start))
    weights = {"random": untrained, "medium": medium, "expert": expert}
    found = {"replay": replay, "medium-replay": {name: a[:step] for name, a in replay.items()}}
    for kind in set(weights) & set(args.kinds):
        model.policy.load_state_dict(weights[kind])
        found[kind] = rollout_columns(model, args.env, args.rollout_steps, args.seed)
    return {kind: found[kind] for kind in args.kinds}


def new_agent(args: argparse.Namespace) -> OffPolicyAlgorithm:
    """SB3's algorithm with the settings that were given."""
    extra: dict[str, Any] = {"buffer_size": args.steps}
    if args.algo == "DQN":  # SB3's DQN defaults are for Atari; these are rl-zoo3's for CartPole
        extra |= {"learning_rate": 2.3e-3, "learning_starts": 1000, "target_update_interval": 10}
        extra |= {"train_freq": 4, "gradient_steps": 2, "exploration_final_eps": 0.04}
    given = {"batch_size": args.batch_size, "learning_rate": args.learning_rate}
    given |= {"policy_kwargs": {"net_arch": [args.width] * 2} if args.width else None}
    extra |= {name: value for name, value in given.items() if value is not None}
    return getattr(sb3, args.algo)("MlpPolicy", args.env, seed=args.seed, device="cpu", **extra)


def write_datasets(args: argparse.Namespace) -> None:
    """Trains, and writes what was asked for."""
    torch.set_num_threads(args.threads)
    args.out.mkdir(parents=True, exist_ok=True)
    model = new_agent(args)
    shots = Snapshots(args.env, max(args.steps // 20, 1))
    model.learn(args.steps, callback=shots, log_interval=20)
    scores = [shot[1] for shot in shots.taken]
    summary = {"random": scores[0], "best": max(scores), "steps": args.steps, "algo": args.algo, "seed": args.seed}
    (args.out / f"{args.env}-scores.json").write_text(json.dumps(summary, indent=2) + "\n")
    for kind, columns in datasets(model, shots, args).items():
        np.savez_compressed(args.out / f"{args.env}-{kind}.npz", **columns)
        print(f"{args.out / f'{args.env}-{kind}.npz'}: {len(columns['rewards'])} rows", flush=True)
