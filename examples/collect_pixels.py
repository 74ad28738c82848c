r"""Collects pixel datasets of dm_control tasks (in V-D4RL's layout) and Procgen games (in Offline Procgen's).

    python examples/collect_pixels.py --task cheetah-run --quality medium-replay --steps 20000 \
        --out data/pixels/cheetah-run-medium-replay
    python examples/collect_pixels.py --task coinrun --quality expert --steps 100000 --out data/pixels/coinrun

An agent learns the task first: SAC on states for dm_control, PPO on frames for a game. Its snapshots are saved in
``<task>-policies-<train steps>-seed<seed>`` beside the data. Further calls with another quality or distraction reuse
them, and an interrupted call resumes from the last one. Then policies collect episodes. They sample their actions; with
``--epsilon`` they take their best actions and that share of random actions:

* ``random``: the untrained policy.
* ``medium-replay``: all policies from the untrained to the medium one, in turn, one episode each. The data therefore
  cover the training until then in equal parts, but are not the transitions of the training, which has no frames.
* ``medium``: the first policy whose gain over the random policy is a third of the best policy's.
* ``expert``: the best policy.
"""

from __future__ import annotations

from pathlib import Path

import torch
from common.arguments import Parser, one_line_errors, share
from common.pixel_collecting import QUALITIES, collect

from synth_replay.environments import DISTRACTION_LEVELS, DISTRACTION_VARIANTS, GAMES


@one_line_errors
def main() -> None:
    """Trains an agent if necessary and collects a dataset."""
    parser = Parser(__doc__)
    parser.add_argument("--task", default="cheetah-run", help="<domain>-<task> of dm_control, or a Procgen game")
    parser.add_argument("--quality", default="medium-replay", choices=QUALITIES, help="which policies act")
    parser.add_argument("--steps", type=int, default=20_000, help="environment steps to collect")
    parser.add_argument("--train-steps", type=int, help="environment steps of learning; default: 25000, a game 150000")
    parser.add_argument("--episodes", type=int, help="episodes that score a policy; default: 5, a game 16")
    parser.add_argument("--size", type=int, default=64, choices=[64, 84], help="pixels; 84 is written as HDF5")
    parser.add_argument("--distraction", choices=DISTRACTION_LEVELS, help="level, for dm_control; default: none")
    parser.add_argument("--variant", default="fixed", choices=DISTRACTION_VARIANTS, help="variant of the distraction")
    parser.add_argument("--backgrounds", type=Path, help="folder of images or DAVIS videos; default: drawn patterns")
    parser.add_argument("--seed", type=int, default=0, help="seed of agent, episodes and distraction")
    parser.add_argument("--epsilon", type=share, help="share of random among best actions; default: sampled actions")
    parser.add_argument("--threads", type=int, default=1, help="torch threads")
    parser.add_argument("--out", type=Path, required=True, help="folder, or file for 84 px; must not exist")
    args = parser.parse_args()
    game = args.task in GAMES
    if game and (args.size != 64 or args.distraction):
        parser.error("Procgen draws 64 px without distractions: leave --size and --distraction out.")
    args.train_steps = args.train_steps or (150_000 if game else 25_000)
    if min(args.steps, args.train_steps, args.episodes or 1) < 1:
        parser.error("--steps, --train-steps and --episodes must be positive.")
    torch.set_num_threads(args.threads)
    collect(args)


if __name__ == "__main__":
    main()
