"""Pre-trains d3rlpy's IQL on a dataset and fine-tunes it online with CFDG's four sources in every batch.

    python examples/collect_dataset.py --env Hopper-v5 --steps 60000 --kinds medium --out data
    python examples/offline_to_online_d3rlpy.py --data data/Hopper-v5-medium.npz --env Hopper-v5

``--generation`` selects an arm of CFDG's comparison: none (replay of both kinds), online (SynthER), unconditional. This
is one run, shown as an example; ``benchmarks/offline_to_online`` is the study over seeds.
"""

from __future__ import annotations

import d3rlpy
import gymnasium as gym
from common.arguments import Parser, continuous, one_line_errors, preset
from d3rlpy.logging import NoopAdapterFactory
from d3rlpy.metrics.utility import evaluate_qlearning_with_environment

from synth_replay.datasets import open_dataset
from synth_replay_d3rlpy import CFGMixedBuffer, to_replay_buffer

QUIET = {"logger_adapter": NoopAdapterFactory()}


@one_line_errors
def main() -> None:
    """Trains offline, then online; the algorithm is d3rlpy's own."""
    parser = Parser(__doc__)
    parser.add_argument("--data", required=True, help="dataset in any format of synth_replay.datasets")
    parser.add_argument("--env", type=continuous, default="Hopper-v5", help="Gymnasium id, continuous actions")
    parser.add_argument("--offline-steps", type=int, default=10_000, help="gradient steps before fine-tuning")
    parser.add_argument("--online-steps", type=int, default=10_000, help="environment steps")
    parser.add_argument("--refresh-every", type=int, default=2_500, help="environment steps between two refits")
    parser.add_argument("--preset", type=preset, help="cpu, fast, paper, or a file; by default cpu, on a GPU fast")
    kinds = ["conditional", "none", "online", "unconditional"]
    parser.add_argument("--generation", default="conditional", choices=kinds, help="rows to generate")
    parser.add_argument("--seed", type=int, default=0, help="seed of all random numbers")
    args = parser.parse_args()
    env, eval_env = gym.make(args.env), gym.make(args.env)
    d3rlpy.seed(args.seed)
    env.reset(seed=args.seed)
    eval_env.reset(seed=args.seed)
    dataset = open_dataset(args.data, observation_space=env.observation_space, action_space=env.action_space)
    offline = to_replay_buffer(dataset.read(), dataset.spec)

    iql = d3rlpy.algos.IQLConfig().create()
    iql.fit(offline, n_steps=args.offline_steps, n_steps_per_epoch=args.offline_steps, **QUIET)
    print(f"after {args.offline_steps} offline steps: return {evaluate_qlearning_with_environment(iql, eval_env):.0f}")

    settings = {"generation": args.generation, "generator": args.preset, "refresh_every": args.refresh_every}
    buffer = CFGMixedBuffer(offline, env=env, extra_columns=(), **settings)  # IQL needs no extra columns
    iql.fit_online(env, buffer, n_steps=args.online_steps, n_steps_per_epoch=args.online_steps, **QUIET)
    print(f"after {args.online_steps} online steps: return {evaluate_qlearning_with_environment(iql, eval_env):.0f}")
    print(f"{buffer.stats.refreshes} refreshes, {buffer.stats.rows:,} generated rows in the stores")


if __name__ == "__main__":
    main()
