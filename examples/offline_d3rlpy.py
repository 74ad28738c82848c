"""Trains TD3+BC with d3rlpy on a small dataset, without and with generated transitions in every batch.

    python examples/collect_dataset.py --env HalfCheetah-v5 --steps 60000 --out data
    python examples/offline_d3rlpy.py --data data/HalfCheetah-v5-replay.npz --env HalfCheetah-v5 --rows 5000

This is one run, shown as an example; ``benchmarks/offline`` is the study over seeds.
"""

from __future__ import annotations

import d3rlpy
import gymnasium as gym
import numpy as np
from common.arguments import Parser, continuous, one_line_errors, preset
from d3rlpy.logging import NoopAdapterFactory
from d3rlpy.metrics import EnvironmentEvaluator
from d3rlpy.preprocessing import StandardObservationScaler

from synth_replay.datasets import open_dataset
from synth_replay_d3rlpy import SyntheticReplayBuffer, to_replay_buffer


@one_line_errors
def main() -> None:
    """Makes two runs that differ in one argument."""
    parser = Parser(__doc__)
    parser.add_argument("--data", required=True, help="dataset in any format of synth_replay.datasets")
    parser.add_argument(
        "--env", type=continuous, default="HalfCheetah-v5", help="a Gymnasium id with continuous actions"
    )
    parser.add_argument("--rows", type=int, default=5_000, help="rows drawn from the dataset")
    parser.add_argument("--steps", type=int, default=10_000, help="gradient steps")
    parser.add_argument("--seed", type=int, default=0, help="seed of all random numbers")
    parser.add_argument("--preset", type=preset, help="cpu, fast, paper, or a file; by default cpu, on a GPU fast")
    args = parser.parse_args()
    env = gym.make(args.env)
    dataset = open_dataset(args.data, observation_space=env.observation_space, action_space=env.action_space)
    rows = dataset.read()
    rows = rows[np.random.default_rng(args.seed).permutation(len(rows))[: args.rows]]
    for real_ratio in (1.0, 0.5):
        d3rlpy.seed(args.seed)
        env.reset(seed=args.seed)
        options = {"env": env, "real_ratio": real_ratio, "generator": args.preset}
        buffer = SyntheticReplayBuffer.wrap(to_replay_buffer(rows, dataset.spec), **options)
        algorithm = d3rlpy.algos.TD3PlusBCConfig(observation_scaler=StandardObservationScaler()).create()
        history = algorithm.fit(
            buffer,
            n_steps=args.steps,
            n_steps_per_epoch=args.steps,
            evaluators={"return": EnvironmentEvaluator(env)},
            logger_adapter=NoopAdapterFactory(),
        )
        print(f"real ratio {real_ratio}: return {history[-1][1]['return']:.0f}, {buffer.stats.rows:,} generated rows")


if __name__ == "__main__":
    main()
