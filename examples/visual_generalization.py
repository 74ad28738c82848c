"""Zero-shot visual generalization (arXiv 2508.12356): collects a dataset, then runs the paper's four arms.

python examples/visual_generalization.py --task cheetah-run --size smoke

``smoke`` takes minutes on two cores and only shows that everything works; its returns mean nothing. ``cpu`` takes
hours; repeat the command to resume an interrupted run.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from common.arguments import Parser, share

from synth_replay.environments import GAMES

# Training steps of the agent, quality of the data, collected steps
DATA = {
    "smoke": {"dmc": (3_000, "medium-replay", 3_000), "procgen": (10_000, "expert", 3_000)},
    "cpu": {"dmc": (25_000, "medium-replay", 20_000), "procgen": (150_000, "expert", 50_000)},
}


def run(*command: str) -> None:
    """Runs Python; a command that fails prints its own error."""
    if code := subprocess.run([sys.executable, *command]).returncode:
        sys.exit(code)


def main() -> None:
    """Collects the data and runs the experiment."""
    parser = Parser(__doc__)
    parser.add_argument("--task", default="cheetah-run", help="cheetah-run, walker-walk, or a game of Procgen")
    parser.add_argument("--size", choices=DATA, default="smoke", help="minutes, with meaningless returns, or hours")
    parser.add_argument("--seeds", nargs="+", default=["0"], help="seeds; each is a run of all arms")
    parser.add_argument("--epsilon", type=share, help="share of random actions; default: 0.2 in a game, else none")
    parser.add_argument("--out", type=Path, help="folder of data and results; by default demo-visual/<task>")
    args = parser.parse_args()
    folder = args.out or Path("demo-visual") / args.task
    game = args.task in GAMES
    train_steps, quality, steps = DATA[args.size]["procgen" if game else "dmc"]
    # in games, agents that always take the best action get stuck, and sampled actions cannot be cloned
    epsilon = 0.2 if game and args.epsilon is None else args.epsilon
    exploring = [] if epsilon is None else ["--epsilon", str(epsilon)]
    data, out = folder / f"data-{args.size}" / args.task, folder / f"{args.task}-{args.size}"
    if not data.exists():
        script = str(Path(__file__).with_name("collect_pixels.py"))
        options = ["--quality", quality, "--steps", str(steps), "--train-steps", str(train_steps)]
        run(script, "--task", args.task, *options, *exploring, "--out", str(data))
    options = [*exploring, "--data", str(data), "--size", args.size, "--out", str(out), "--seeds", *args.seeds]
    run("-m", "synth_replay_visual", args.task, *options)


if __name__ == "__main__":
    main()
