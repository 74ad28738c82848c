"""Adaptive constraint as in APL (Zheng et al. 2023) on CFDG's buffer: clone offline-like rows, not online-like rows.

    python examples/apl_sb3.py --data data/Walker2d-v5-medium.npz --env Walker2d-v5

With the batch plan ``oorb``, a coin decides for each batch whether it is online-like or offline-like. TD3 gets the
cloning term of TD3+BC (Fujimoto & Gu 2021), with lambda = 1 in rows that are offline or generated as offline and 0 in
others (CFDG, Eq. 4).
"""

from __future__ import annotations

import gymnasium as gym
import numpy as np
from common.apl import AdaptiveTD3
from common.arguments import Parser, continuous, one_line_errors, preset
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.noise import NormalActionNoise

from synth_replay_sb3 import CFGMixedBuffer


@one_line_errors
def main() -> None:
    """Trains on offline data first, then fine-tunes online."""
    parser = Parser(__doc__)
    parser.add_argument("--data", required=True, help="dataset in any format of synth_replay.datasets")
    parser.add_argument("--env", type=continuous, default="Walker2d-v5", help="Gymnasium id, continuous actions")
    parser.add_argument("--offline-steps", type=int, default=5_000, help="gradient steps before fine-tuning")
    parser.add_argument("--online-steps", type=int, default=10_000, help="environment steps")
    parser.add_argument("--refresh-every", type=int, default=2_500, help="environment steps between two refits")
    parser.add_argument("--preset", type=preset, help="cpu, fast, paper, or a file; by default cpu, on a GPU fast")
    parser.add_argument("--seed", type=int, default=0, help="seed of all random numbers")
    args = parser.parse_args()
    settings = {"offline": args.data, "plan": "oorb", "online_ratio": 0.5}
    settings |= {"generator": args.preset, "refresh_every": args.refresh_every}
    size = gym.make(args.env).action_space.shape
    model = AdaptiveTD3(
        "MlpPolicy",
        args.env,
        action_noise=NormalActionNoise(np.zeros(size), np.full(size, 0.1)),
        learning_starts=0,
        replay_buffer_class=CFGMixedBuffer,
        replay_buffer_kwargs=settings,
        seed=args.seed,
    )
    model.learn(0)
    model.train(gradient_steps=args.offline_steps, batch_size=model.batch_size)
    returns, _ = evaluate_policy(model, model.get_env())
    print(f"after {args.offline_steps} offline steps: return {returns:.0f}")
    model.learn(args.online_steps)
    returns, _ = evaluate_policy(model, model.get_env())
    print(f"after {args.online_steps} online steps: return {returns:.0f}")


if __name__ == "__main__":
    main()
