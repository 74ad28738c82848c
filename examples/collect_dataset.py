"""Train an SB3 agent, then keep what it saw: the whole replay, and roll-outs of the final policy.

    python examples/collect_dataset.py --env Hopper-v5 --algo SAC --steps 60000 --out data/

writes ``data/Hopper-v5-replay.npz`` and, with ``--rollout-steps``, ``data/Hopper-v5-final.npz``.
Both hold the columns of :class:`synth_replay.Transitions`; actions are in environment units.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import stable_baselines3 as sb3
import torch
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm


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
    names = ("observations", "actions", "rewards", "next_observations", "terminations", "truncations")
    columns: dict[str, list[Any]] = {name: [] for name in names}
    obs, _ = env.reset(seed=seed)
    for _ in range(steps):
        action, _ = model.predict(obs, deterministic=False)
        after, reward, terminated, truncated, _ = env.step(action)
        row = (obs, action, reward, after, terminated, truncated)
        for name, value in zip(names, row, strict=True):
            columns[name].append(value)
        obs = env.reset()[0] if terminated or truncated else after
    return {name: np.asarray(values) for name, values in columns.items()}


def main() -> None:
    """Parse the arguments, train, write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--env", default="Hopper-v5")
    parser.add_argument("--algo", default="SAC", choices=["SAC", "TD3", "DQN"])
    parser.add_argument("--steps", type=int, default=60_000, help="environment steps of training")
    parser.add_argument("--rollout-steps", type=int, default=0, help="steps of the final policy")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1, help="torch threads")
    parser.add_argument("--out", type=Path, default=Path("data"))
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    args.out.mkdir(parents=True, exist_ok=True)
    extra: dict[str, Any] = {"buffer_size": args.steps}
    if args.algo == "DQN":  # SB3's DQN defaults are for Atari; these are rl-zoo3's for CartPole
        extra |= {"learning_rate": 2.3e-3, "learning_starts": 1000, "target_update_interval": 10}
        extra |= {"train_freq": 4, "gradient_steps": 2, "exploration_final_eps": 0.04}
    model = getattr(sb3, args.algo)("MlpPolicy", args.env, seed=args.seed, device="cpu", **extra)
    model.learn(args.steps, progress_bar=False, log_interval=20)
    np.savez_compressed(args.out / f"{args.env}-replay.npz", **replay_columns(model))
    if args.rollout_steps:
        columns = rollout_columns(model, args.env, args.rollout_steps, args.seed)
        np.savez_compressed(args.out / f"{args.env}-final.npz", **columns)


if __name__ == "__main__":
    main()
