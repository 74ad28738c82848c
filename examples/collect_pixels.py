r"""Make pixel datasets of dm_control tasks (V-D4RL's layout) and Procgen games (Offline Procgen's).

    python examples/collect_pixels.py --task cheetah-run --quality medium-replay --steps 20000 \
        --out data/pixels/cheetah-run-medium-replay
    python examples/collect_pixels.py --task coinrun --quality expert --steps 100000 --out data/pixels/coinrun

An agent learns the task first: SAC on states for dm_control, PPO on frames for a game. Snapshots of it go to
``<task>-policies-<train steps>-seed<seed>`` beside the data, where a second call, of another quality or distraction,
finds them; a call that was interrupted goes on from the last one. Then policies act, with actions that are sampled, or
with ``--epsilon`` the best ones and that share of random ones:

* ``random``: the untrained one.
* ``medium-replay``: those from the untrained to the medium one, taking turns by episodes. So the data are of the agent
  as it learnt until then, in equal parts, but not the very steps that it learnt from, whose frames nobody drew.
* ``medium``: the first one that reaches a third of the best return above the random one.
* ``expert``: the best one.
"""

from __future__ import annotations

from pathlib import Path

import torch
from common.arguments import Parser, one_line_errors, share
from common.pixel_collecting import QUALITIES, collect

from synth_replay.environments import GAMES
from synth_replay.environments.distractions import LEVELS, VARIANTS


@one_line_errors
def main() -> None:
    """Parse the arguments, collect."""
    parser = Parser(__doc__)
    parser.add_argument("--task", default="cheetah-run", help="<domain>-<task> of dm_control, or a Procgen game")
    parser.add_argument("--quality", default="medium-replay", choices=QUALITIES, help="which policies act")
    parser.add_argument("--steps", type=int, default=20_000, help="environment steps to collect")
    parser.add_argument("--train-steps", type=int, help="environment steps of learning; default: 25000, a game 150000")
    parser.add_argument("--size", type=int, default=64, choices=[64, 84], help="pixels; 84 is written as HDF5")
    parser.add_argument("--distraction", choices=LEVELS, help="of dm_control's frames; default: none")
    parser.add_argument("--variant", default="fixed", choices=VARIANTS, help="of the distraction")
    parser.add_argument("--backgrounds", type=Path, help="folder of images or DAVIS videos; default: drawn patterns")
    parser.add_argument("--seed", type=int, default=0, help="of agent, episodes and distraction")
    parser.add_argument("--epsilon", type=share, help="share of random actions among the best; default: sampled ones")
    parser.add_argument("--threads", type=int, default=1, help="of torch")
    parser.add_argument("--out", type=Path, required=True, help="folder, or file for 84 px; must not exist")
    args = parser.parse_args()
    game = args.task in GAMES
    if game and (args.size != 64 or args.distraction):
        parser.error("Procgen draws 64 px without distractions: leave --size and --distraction out.")
    args.train_steps = args.train_steps or (150_000 if game else 25_000)
    if min(args.steps, args.train_steps) < 1:
        parser.error("--steps and --train-steps must be positive.")
    torch.set_num_threads(args.threads)
    collect(args)


if __name__ == "__main__":
    main()
