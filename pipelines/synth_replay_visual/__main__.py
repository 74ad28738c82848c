"""``python -m synth_replay_visual cheetah-run --data FOLDER --size smoke --out FOLDER``."""

from __future__ import annotations

import argparse
import logging
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import structlog

from synth_replay.datasets import PixelDataset, mix_episodes, open_pixels
from synth_replay.errors import SynthReplayError
from synth_replay_visual.config import ARMS, SIZES, VisualConfig
from synth_replay_visual.pipeline import run_pipeline
from synth_replay_visual.results import ArmResult
from synth_replay_visual.summary import write_summary
from synth_replay_visual.tasks import make_task


def parse_arguments() -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("task", help="cheetah-run, walker-walk, humanoid-walk, or a game of Procgen")
    parser.add_argument("--data", type=Path, required=True, help="V-D4RL or Offline Procgen dataset")
    parser.add_argument("--mix", type=Path, help="distracting dataset, of which a share replaces some of the data")
    parser.add_argument("--mix-share", type=float, default=0.05, help="share of transitions; default: 0.05 (Table 2)")
    parser.add_argument("--out", type=Path, required=True, help="folder of all results; the same command resumes")
    parser.add_argument("--size", choices=SIZES, default="cpu", help="smoke (minutes), cpu (hours, default), paper")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="each is a run of all arms; default: 0")
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS), help="default: all")
    parser.add_argument("--latent", help="concat, sum, actor or critic; default: set by --size")
    parser.add_argument("--full-rendering", action="store_true", help="for V-D4RL's own data, drawn with shadows")
    parser.add_argument("--feature-size", type=int, help="dimensions of a feature; default: 50, as in DrQ-v2")
    parser.add_argument("--epsilon", type=float, help="probability of a random action in evaluations; default: 0")
    return parser.parse_args()


def configure_logging() -> None:
    """Shows the messages of this pipeline, and hides those of d3rlpy and the simulators."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s", force=True)  # an import has configured it already
    logging.getLogger("synth_replay_visual").setLevel(logging.INFO)
    logging.getLogger("absl").setLevel(logging.ERROR)  # MuJoCo's messages about dm_control's models
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))  # d3rlpy's messages
    warnings.simplefilter("ignore")


def make_config(args: argparse.Namespace) -> VisualConfig:
    """Returns the config of ``--size`` with the options that were given."""
    names = ("latent", "feature_size", "epsilon")
    return replace(SIZES[args.size], **{name: value for name in names if (value := getattr(args, name)) is not None})


def open_data(args: argparse.Namespace) -> PixelDataset:
    """Opens the dataset, with a share of ``--mix``."""
    data = open_pixels(args.data)
    return data if args.mix is None else mix_episodes(data, open_pixels(args.mix), args.mix_share, seed=0)


def load_results(out: Path, config: VisualConfig) -> list[ArmResult]:
    """Loads the results of all arms and seeds in a folder; those of another evaluation are left out."""
    found = [ArmResult.load(path) for arm in ARMS for path in sorted(out.glob(f"seed-*/{arm}.json"))]
    results = [result for result in found if result.evaluation.settings == config.evaluation]
    if left_out := len(found) - len(results):
        print(f"{left_out} arms had another evaluation: they are left out until they are run again.")
    return results


def run(args: argparse.Namespace) -> None:
    """Runs the missing arms, then writes tables and pictures of all arms in the folder."""
    task, data, config = make_task(args.task, not args.full_rendering), open_data(args), make_config(args)
    configure_logging()
    run_pipeline(task, data, config, args.out, seeds=args.seeds, arms=args.arms)
    results = load_results(args.out, config)
    if "baseline" not in {result.arm for result in results}:
        print("Tables compare with the baseline, which has not been run: add it to --arms.")
        return
    files = write_summary(task, data, results, args.out)
    print((args.out / "table.md").read_text())
    print("\n".join(map(str, files)))


def main() -> None:
    """Runs the command; an expected error ends it with one line and exit code 1."""
    args = parse_arguments()
    try:
        run(args)
    except SynthReplayError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
