"""Fits a generator on a dataset, samples rows and reports on their fidelity: ``--data hopper.npz``."""

from __future__ import annotations

import shutil
from pathlib import Path

import gymnasium as gym
import numpy as np
from common.arguments import Parser, environment, one_line_errors, preset

from synth_replay import TransitionGenerator, evaluate
from synth_replay.datasets import create_dataset, open_dataset
from synth_replay.evaluation import state_setter
from synth_replay.report import require_report_extra, write_report

OUTPUTS = ("generator", "generated.npz", "report.html")


@one_line_errors
def main() -> None:
    """Writes the generator, a generated dataset and a report."""
    parser = Parser(__doc__)
    parser.add_argument("--data", required=True, help="npz, D4RL, Minari, d3rlpy or Parquet")
    parser.add_argument("--env", type=environment, help="its Gymnasium id, for exact spaces and the dynamics error")
    parser.add_argument("--rows", type=int, default=100_000, help="rows to generate")
    parser.add_argument("--preset", type=preset, help="cpu, fast, paper, or a file; by default cpu, on a GPU fast")
    parser.add_argument("--seed", type=int, default=0, help="seed of all random numbers")
    parser.add_argument("--out", type=Path, default=Path("generated"), help="folder of the results")
    args = parser.parse_args()
    if taken := [path for path in map(args.out.joinpath, OUTPUTS) if path.exists()]:
        parser.error(f"{taken[0]} already exists: choose another --out, or delete it.")
    if args.rows < 1:
        parser.error("--rows must be positive.")
    require_report_extra()

    env = gym.make(args.env) if args.env else None
    if env:
        state_setter(env)  # fails early if the environment cannot be set to the state of a row
    spaces = {"observation_space": env.observation_space, "action_space": env.action_space} if env else {}
    dataset = open_dataset(args.data, **spaces)
    rows, spec = dataset.read(), dataset.spec
    rows = rows[np.random.default_rng(args.seed).permutation(len(rows))]  # replay rows are chronological
    held_out, train = rows[: len(rows) // 10], rows[len(rows) // 10 :]
    generator = TransitionGenerator(spec.observation_space, spec.action_space, args.preset, seed=args.seed)
    generator.fit(train, checkpoint=args.out / "fit")  # an interrupted fit resumes here
    generator.save(args.out / "generator")
    shutil.rmtree(args.out / "fit", ignore_errors=True)
    made = generator.sample(args.rows)
    print(evaluate(held_out, made, env, train=train))
    with create_dataset(args.out / "generated.npz", spec, len(made)) as writer:
        writer.write(made)
    write_report(args.out / "report.html", train, made, holdout=held_out, env=env, history=generator.history)
    print(f"wrote generator, generated.npz and report.html to {args.out}")


if __name__ == "__main__":
    main()
