"""``python -m synth_replay_visual cheetah-run --data FOLDER --size smoke --out FOLDER``."""

from __future__ import annotations

import argparse
import json
import logging
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import structlog

from synth_replay.datasets import mix_episodes, open_pixels
from synth_replay.errors import SynthReplayError
from synth_replay_visual.config import ARMS, SIZES
from synth_replay_visual.pipeline import run_pipeline
from synth_replay_visual.summary import write_summary
from synth_replay_visual.tasks import make_task


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("task", help="cheetah-run, walker-walk, humanoid-walk, or a game of Procgen")
    parser.add_argument("--data", type=Path, required=True, help="V-D4RL or Offline Procgen dataset")
    parser.add_argument("--mix", type=Path, help="distracting dataset, of which a share replaces some of the data")
    parser.add_argument("--mix-share", type=float, default=0.05, help="of transitions; default: 0.05 (Table 2)")
    parser.add_argument("--out", type=Path, required=True, help="folder of all results; the same again goes on")
    parser.add_argument("--size", choices=SIZES, default="cpu", help="smoke (minutes), cpu (hours, default), paper")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="each is a run of all arms; default: 0")
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS), help="default: all")
    parser.add_argument("--latent", help="concat, sum, actor or critic; the size's own by default")
    parser.add_argument("--full-rendering", action="store_true", help="for V-D4RL's own data, drawn with shadows")
    parser.add_argument("--feature-size", type=int, help="numbers in a feature; 50 as in DrQ-v2 by default")
    parser.add_argument("--epsilon", type=float, help="chance of a random action in evaluations; default: 0")
    return parser.parse_args()


def quiet() -> None:
    """Shows what this pipeline says and leaves out what d3rlpy and the simulators do."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s", force=True)  # an import has set it already
    logging.getLogger("synth_replay_d3rlpy").setLevel(logging.INFO)
    logging.getLogger("absl").setLevel(logging.ERROR)  # MuJoCo's, of dm_control's models
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))  # d3rlpy's
    warnings.simplefilter("ignore")


def run(args: argparse.Namespace) -> None:
    """Runs what is missing, then writes tables and pictures of what is there."""
    task, data = make_task(args.task, not args.full_rendering), open_pixels(args.data)
    if args.mix is not None:
        data = mix_episodes(data, open_pixels(args.mix), args.mix_share, seed=0)
    names = ("latent", "feature_size", "epsilon")
    given = {name: value for name in names if (value := getattr(args, name)) is not None}
    size = replace(SIZES[args.size], **given)
    quiet()
    run_pipeline(task, data, size, args.out, seeds=args.seeds, arms=args.arms)
    made = [json.loads(path.read_text()) for arm in ARMS for path in sorted(args.out.glob(f"seed-*/{arm}.json"))]
    results = [found for found in made if found.get("evaluation") == size.evaluation]
    if len(results) < len(made):
        print(f"{len(made) - len(results)} arms had another evaluation: they are left out until they are run again.")
    if "baseline" not in {found["arm"] for found in results}:
        print("Tables compare with the baseline, which has not been run: add it to --arms.")
        return
    files = write_summary(task, data, results, args.out)
    print((args.out / "table.md").read_text())
    print("\n".join(map(str, files)))


def main() -> None:
    """Does it, or says in one line why not."""
    args = arguments()
    try:
        run(args)
    except SynthReplayError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
