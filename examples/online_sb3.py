"""Trains SB3's SAC online with generated rows in every batch: ``python examples/online_sb3.py --env Hopper-v5``."""

from __future__ import annotations

from common.arguments import Parser, continuous, one_line_errors, preset, ratio
from stable_baselines3 import SAC
from stable_baselines3.common.evaluation import evaluate_policy

from synth_replay_sb3 import SyntheticReplayBuffer, SyntheticReplayCallback


@one_line_errors
def main() -> None:
    """Trains and evaluates the model, and saves it with its buffer."""
    parser = Parser(__doc__)
    parser.add_argument("--env", type=continuous, default="Pendulum-v1", help="Gymnasium id, continuous actions")
    parser.add_argument("--steps", type=int, default=20_000, help="environment steps")
    parser.add_argument("--updates", type=int, default=4, help="gradient steps per environment step")
    parser.add_argument(
        "--real-ratio", type=ratio, default=0.5, help="share of real rows, or auto; 1 is SB3's own buffer"
    )
    parser.add_argument("--refresh-every", type=int, default=5_000, help="environment steps between two refits")
    parser.add_argument("--preset", type=preset, help="cpu, fast, paper, or a file; by default cpu, on a GPU fast")
    parser.add_argument("--seed", type=int, default=0, help="seed of all random numbers")
    parser.add_argument("--out", default="sac", help="start of the names of the saved model and buffer")
    args = parser.parse_args()

    options = {"real_ratio": args.real_ratio, "refresh_every": args.refresh_every, "generator": args.preset}
    model = SAC(
        "MlpPolicy",
        args.env,
        gradient_steps=args.updates,
        replay_buffer_class=SyntheticReplayBuffer,
        replay_buffer_kwargs=options,
        seed=args.seed,
    )
    model.learn(args.steps, callback=SyntheticReplayCallback())
    mean, spread = evaluate_policy(model, model.get_env(), n_eval_episodes=10)
    print(f"return {mean:.1f} +- {spread:.1f}; {model.replay_buffer.stats}")
    model.save(f"{args.out}.zip")
    model.save_replay_buffer(f"{args.out}_buffer.pkl")
    print(f"wrote {args.out}.zip and {args.out}_buffer.pkl")


if __name__ == "__main__":
    main()
