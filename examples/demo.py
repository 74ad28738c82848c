"""SAC on HalfCheetah-v5 with and without synthetic replay, at the same number of updates per environment step.

    python examples/demo.py --out demo

Both arms run at the same time, one core each, with the same seed, network and six updates per step; they differ only in
the replay buffer class. The results are a learning curve, marginal histograms and a table of fidelity and time.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from common.arguments import Parser, one_line_errors
from common.demo_arms import ARMS, ENV, run_arms
from common.demo_pictures import draw_curves, write_fidelity


@one_line_errors
def main() -> None:
    """Runs the demo, or one arm of it."""
    parser = Parser(__doc__)
    parser.add_argument("--out", type=Path, default=Path("demo"), help="folder of the results")
    parser.add_argument("--steps", type=int, default=7_000, help="environment steps of each arm")
    parser.add_argument("--seed", type=int, default=0, help="seed of all random numbers")
    parser.add_argument("--arm", choices=list(ARMS), help=argparse.SUPPRESS)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    if args.arm:
        from common.demo_training import train_arm  # the parent process needs no torch

        train_arm(args.arm, args.steps, args.seed, args.out)
        return
    print(f"Training SAC on {ENV} twice, {args.steps:,} steps each, one core each: about eight minutes.", flush=True)
    started = time.perf_counter()
    curves = run_arms(args.steps, args.seed, args.out)
    draw_curves(curves, args.out / "learning_curve.png", args.seed)
    table = write_fidelity(curves, args.out, args.seed)
    (args.out / "fidelity.md").write_text(f"# {ENV}: generated against real transitions\n\n{table}\n")
    print(f"\n{table}\n\nDone in {time.perf_counter() - started:.0f} s. Wrote:")
    for name in ("learning_curve.png", "marginals.png", "fidelity.md", "fidelity.json"):
        print(f"  {args.out / name}")


if __name__ == "__main__":
    main()
