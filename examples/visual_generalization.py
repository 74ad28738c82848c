"""Zero-shot visual generalization (arXiv 2508.12356): collects a dataset, then makes the paper's four arms.

python examples/visual_generalization.py --task cheetah-run --size smoke

``smoke`` takes minutes on two cores and shows that all of it works; its returns say nothing. ``cpu`` takes hours; the
same command again goes on where a run was stopped.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from synth_replay.procgen_games import TIME_LIMITS

# Steps of the agent that makes the data, its quality, steps collected
DATA = {
    "smoke": {"dmc": (3_000, "medium-replay", 3_000), "procgen": (10_000, "expert", 3_000)},
    "cpu": {"dmc": (25_000, "medium-replay", 20_000), "procgen": (150_000, "expert", 50_000)},
}


def main() -> None:
    """Runs both steps."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", default="cheetah-run", help="cheetah-run, walker-walk, or a game of Procgen")
    parser.add_argument("--size", choices=DATA, default="smoke")
    parser.add_argument("--seeds", nargs="+", default=["0"])
    parser.add_argument("--out", type=Path, default=Path("demo/visual"))
    args = parser.parse_args()
    train_steps, quality, steps = DATA[args.size]["procgen" if args.task in TIME_LIMITS else "dmc"]
    data, out = args.out / f"data-{args.size}" / args.task, args.out / f"{args.task}-{args.size}"
    if not data.exists():
        script = str(Path(__file__).with_name("collect_pixels.py"))
        options = ["--quality", quality, "--steps", str(steps), "--train-steps", str(train_steps)]
        subprocess.run([sys.executable, script, "--task", args.task, *options, "--out", str(data)], check=True)
    module = [sys.executable, "-m", "synth_replay_d3rlpy.visual", args.task]
    options = ["--data", str(data), "--size", args.size, "--out", str(out), "--seeds", *args.seeds]
    subprocess.run([*module, *options], check=True)


if __name__ == "__main__":
    main()
