"""An agent, its snapshots and their datasets, for collect_dataset.py."""

from __future__ import annotations

import argparse
import copy
import json
from collections.abc import Iterator
from typing import Any

import gymnasium as gym
import numpy as np
import stable_baselines3 as sb3
import torch
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm

from synth_replay.datasets import require_free
from synth_replay.errors import DatasetError, DatasetExistsError, UnsupportedSpaceError

KINDS = ("replay", "random", "medium", "medium-replay", "expert")
COLUMNS = ("observations", "actions", "rewards", "next_observations", "terminations", "truncations")
MIN_ROWS = 100  # fewest rows that a generator can be fitted on
MEDIUM_SHARE = 1 / 3
EPISODES = 5
Snapshot = tuple[int, float, dict[str, Any]]  # step, mean return, weights


class Snapshots(BaseCallback):
    """Evaluates the policy every ``every`` steps and keeps its weights."""

    def __init__(self, env_id: str, every: int) -> None:
        super().__init__()
        self.env, self.every = Monitor(gym.make(env_id)), every
        self.taken: list[Snapshot] = []

    def take(self) -> None:
        """Takes a snapshot: step, mean return, weights."""
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
    """Converts the model's replay buffer to transition columns; timeouts are truncations, not terminations."""
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
    """Collects ``steps`` transitions of the model's stochastic policy."""
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


def snapshots_of(kinds: list[str], taken: list[Snapshot]) -> dict[str, Snapshot]:
    """Selects the snapshot of each kind except the replay."""
    start, best = taken[0], max(taken, key=lambda shot: shot[1])
    medium = next(shot for shot in taken if shot[1] >= start[1] + MEDIUM_SHARE * (best[1] - start[1]))
    found = {"random": start, "medium": medium, "medium-replay": medium, "expert": best}
    return {kind: shot for kind, shot in found.items() if kind in kinds}


def untrained_kinds(snapshots: dict[str, Snapshot], learning_starts: int) -> list[str]:
    """Lists the kinds whose policy should be trained, but is from before the first gradient step."""
    first = max(learning_starts, MIN_ROWS)
    return [kind for kind, shot in snapshots.items() if kind != "random" and shot[0] <= first]


def datasets(
    model: OffPolicyAlgorithm, snapshots: dict[str, Snapshot], args: argparse.Namespace
) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """Yields the columns of each requested kind."""
    replay = replay_columns(model)
    if "replay" in args.kinds:
        yield "replay", replay
    for kind, (step, _, weights) in snapshots.items():
        if kind == "medium-replay":
            yield kind, {name: a[:step] for name, a in replay.items()}
        else:
            model.policy.load_state_dict(weights)
            yield kind, rollout_columns(model, args.env, args.rollout_steps, args.seed)


def new_agent(args: argparse.Namespace) -> OffPolicyAlgorithm:
    """Creates SB3's algorithm with the given settings."""
    extra: dict[str, Any] = {"buffer_size": args.steps}
    if args.algo == "DQN":  # SB3's DQN defaults are for Atari; these are rl-zoo3's for CartPole
        extra |= {"learning_rate": 2.3e-3, "learning_starts": 1000, "target_update_interval": 10}
        extra |= {"train_freq": 4, "gradient_steps": 2, "exploration_final_eps": 0.04}
    given = {"batch_size": args.batch_size, "learning_rate": args.learning_rate}
    given |= {"policy_kwargs": {"net_arch": [args.width] * 2} if args.width else None}
    extra |= {name: value for name, value in given.items() if value is not None}
    return getattr(sb3, args.algo)("MlpPolicy", args.env, seed=args.seed, device="cpu", **extra)


def check(args: argparse.Namespace) -> None:
    """Checks before the training that it is possible and replaces nothing.

    Raises:
        UnsupportedSpaceError: If the algorithm does not support the actions or observations.
        DatasetExistsError: If a file exists, or the scores of another run.
    """
    env = gym.make(args.env)
    if not isinstance(env.action_space, gym.spaces.Discrete if args.algo == "DQN" else gym.spaces.Box):
        raise UnsupportedSpaceError(f"{args.env} has the actions {env.action_space}: {args.algo} cannot learn it.")
    if isinstance(env.observation_space, gym.spaces.Dict):
        raise UnsupportedSpaceError(f"{args.env} has Dict observations, which have no columns in these files.")
    for kind in args.kinds:
        require_free(args.out / f"{args.env}-{kind}.npz")
    scores = args.out / f"{args.env}-scores.json"
    if scores.exists():
        kept = json.loads(scores.read_text())
        if any(kept.get(name) != getattr(args, name) for name in ("steps", "algo", "seed")):
            raise DatasetExistsError(f"{scores} is of another agent: choose another --out, or delete it.")


def write_datasets(args: argparse.Namespace) -> None:
    """Trains an agent and writes the requested datasets."""
    check(args)
    torch.set_num_threads(args.threads)
    (args.out / args.env).parent.mkdir(parents=True, exist_ok=True)
    model = new_agent(args)
    shots = Snapshots(args.env, max(args.steps // 20, 1))
    model.learn(args.steps, callback=shots, log_interval=20)
    scores = [shot[1] for shot in shots.taken]
    summary = {"random": scores[0], "best": max(scores), "steps": args.steps, "algo": args.algo, "seed": args.seed}
    (args.out / f"{args.env}-scores.json").write_text(json.dumps(summary, indent=2) + "\n")
    snapshots = snapshots_of(args.kinds, shots.taken)
    refused = untrained_kinds(snapshots, model.learning_starts)
    for kind, columns in datasets(model, {k: v for k, v in snapshots.items() if k not in refused}, args):
        np.savez_compressed(args.out / f"{args.env}-{kind}.npz", **columns)
        print(f"{args.out / f'{args.env}-{kind}.npz'}: {len(columns['rewards'])} rows", flush=True)
    if refused:
        raise DatasetError(
            f"No dataset {' or '.join(refused)} is written: nothing was learnt in {args.steps} steps (after the first "
            f"{model.learning_starts}), so its policy would be untrained. Give more --steps."
        )
