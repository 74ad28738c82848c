"""Fits a generator on a dataset, samples from it and says how good the rows are: ``--data hopper.npz``."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from synth_replay import TransitionGenerator, evaluate
from synth_replay.datasets import create_dataset, open_dataset
from synth_replay.report import write_report


def main() -> None:
    """Writes the generator, a dataset and a page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, help="npz, D4RL, Minari, d3rlpy or Parquet")
    parser.add_argument("--rows", type=int, default=100_000, help="rows to generate")
    parser.add_argument("--generator", default="cpu", help="preset or file of a configuration")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("generated"))
    args = parser.parse_args()

    dataset = open_dataset(args.data)
    rows, spec = dataset.read(), dataset.spec
    rows = rows[np.random.default_rng(args.seed).permutation(len(rows))]  # a replay lies in order of time
    held_out, train = rows[: len(rows) // 10], rows[len(rows) // 10 :]
    generator = TransitionGenerator(spec.observation_space, spec.action_space, args.generator, seed=args.seed)
    generator.fit(train, checkpoint=args.out / "fit")  # killed, it goes on here
    made = generator.sample(args.rows)
    print(evaluate(held_out, made, train=train))
    generator.save(args.out / "generator")
    with create_dataset(args.out / "generated.npz", spec, len(made)) as writer:
        writer.write(made)
    write_report(args.out / "report.html", train, made, holdout=held_out, history=generator.history)
    print(f"wrote generator, generated.npz and report.html to {args.out}")


if __name__ == "__main__":
    main()
