"""Draws plain and distracted environments: one row for each domain, one column for each level.

python examples/distractions.py --out docs/img/distractions.png
"""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import numpy as np
from common.arguments import Parser, one_line_errors
from PIL import Image

from synth_replay.environments import DISTRACTION_VARIANTS, Distraction, make_dmc_pixels

TASKS = {"cheetah": "run", "walker": "walk", "humanoid": "walk"}
LEVELS = ("plain", "easy", "medium", "hard")


def frames(domain: str, level: str, args: Namespace) -> np.ndarray:
    """Renders pictures uint8 ``[episodes, size, size, 3]`` of states that are the same at every level."""
    distraction = None if level == "plain" else Distraction(level, variant=args.variant, backgrounds=args.backgrounds)
    env = make_dmc_pixels(domain, TASKS[domain], size=args.size, frame_stack=1, distraction=distraction)
    pictures = []
    for episode in range(args.episodes):
        env.reset(seed=args.seed + episode)
        env.action_space.seed(args.seed + episode)
        for _ in range(args.steps):
            env.step(env.action_space.sample())
        pictures.append(env.render())
    env.close()
    return np.stack(pictures)


@one_line_errors
def main() -> None:
    """Draws the grid."""
    parser = Parser(__doc__)
    parser.add_argument("--out", type=Path, default=Path("distractions.png"), help="file of the picture")
    parser.add_argument("--backgrounds", type=Path, help="folder of images or DAVIS videos; default: drawn patterns")
    parser.add_argument(
        "--variant", default="static", choices=DISTRACTION_VARIANTS, help="time of the distractions' draws"
    )
    parser.add_argument("--episodes", type=int, default=2, help="pictures of each level")
    parser.add_argument("--steps", type=int, default=10, help="random actions before each picture")
    parser.add_argument("--size", type=int, default=168, help="pixels of a frame")
    parser.add_argument("--seed", type=int, default=0, help="seed of all random numbers")
    args = parser.parse_args()
    rows = [np.concatenate([np.hstack(frames(domain, level, args)) for level in LEVELS], 1) for domain in TASKS]
    args.out.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.concatenate(rows)).save(args.out)


if __name__ == "__main__":
    main()
