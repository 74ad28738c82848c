"""Fine-tunes Stable-Baselines3's SAC online, with an offline dataset and generated rows of both kinds in every batch.

    python examples/collect_dataset.py --env Walker2d-v5 --steps 60000 --kinds medium --out data
    python examples/offline_to_online_sb3.py --data data/Walker2d-v5-medium.npz --env Walker2d-v5

This is one run, shown as an example; ``benchmarks/offline_to_online`` is the study over seeds.
"""

from __future__ import annotations

from common.arguments import Parser, continuous, one_line_errors, preset
from stable_baselines3 import SAC
from stable_baselines3.common.evaluation import evaluate_policy

from synth_replay_sb3 import CFGMixedBuffer, SyntheticReplayCallback


@one_line_errors
def main() -> None:
    """Trains on offline data first, then fine-tunes online; the algorithm is SB3's own."""
    parser = Parser(__doc__)
    parser.add_argument("--data", required=True, help="dataset in any format of synth_replay.datasets")
    parser.add_argument("--env", type=continuous, default="Walker2d-v5", help="Gymnasium id, continuous actions")
    parser.add_argument("--offline-steps", type=int, default=5_000, help="gradient steps before fine-tuning")
    parser.add_argument("--online-steps", type=int, default=10_000, help="environment steps")
    parser.add_argument("--refresh-every", type=int, default=2_500, help="environment steps between two refits")
    parser.add_argument("--preset", type=preset, help="cpu, fast, paper, or a file; by default cpu, on a GPU fast")
    kinds = ["conditional", "none", "online", "unconditional"]
    parser.add_argument("--generation", default="conditional", choices=kinds, help="rows to generate")
    parser.add_argument("--seed", type=int, default=0, help="seed of all random numbers")
    args = parser.parse_args()
    settings = {"offline": args.data, "generation": args.generation}
    settings |= {"generator": args.preset, "refresh_every": args.refresh_every}
    model = SAC(
        "MlpPolicy",
        args.env,
        learning_starts=0,
        replay_buffer_class=CFGMixedBuffer,
        replay_buffer_kwargs=settings,
        seed=args.seed,
    )
    model.learn(0)  # sets up the model; before the first step, batches hold only offline rows
    model.train(gradient_steps=args.offline_steps, batch_size=model.batch_size)
    returns, _ = evaluate_policy(model, model.get_env())
    print(f"after {args.offline_steps} offline steps: return {returns:.0f}")
    model.learn(args.online_steps, callback=SyntheticReplayCallback(), progress_bar=False)
    returns, _ = evaluate_policy(model, model.get_env())
    print(f"after {args.online_steps} online steps: return {returns:.0f}")
    stats = model.replay_buffer.stats
    print(f"{stats.refreshes} refreshes, {stats.rows:,} generated rows in the stores")


if __name__ == "__main__":
    main()
