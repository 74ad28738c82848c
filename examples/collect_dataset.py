"""Collects offline datasets with SB3 in any Gymnasium environment: random, medium, medium-replay, expert, replay.

    python examples/collect_dataset.py --env Hopper-v5 --steps 60000 --kinds replay medium-replay expert --out data/

trains one agent and writes ``<env>-<kind>.npz`` for each kind, under D4RL's names:

* ``replay``: all transitions of the agent's training.
* ``random``: roll-outs of the untrained policy.
* ``medium``: roll-outs of the first policy whose gain over the random policy is a third of the best policy's.
* ``medium-replay``: all transitions until that policy.
* ``expert``: roll-outs of the best policy.

Existing files are never replaced. A dataset is not written if its policy is still untrained.

``<env>-scores.json`` holds the returns of the random and the best policy, for normalised scores. The files hold the
columns of :class:`synth_replay.Transitions`; actions are in environment units.
"""

from __future__ import annotations

from pathlib import Path

from common.arguments import Parser, environment, one_line_errors
from common.collecting import KINDS, MIN_ROWS, write_datasets


@one_line_errors
def main() -> None:
    """Trains an agent and writes its datasets."""
    parser = Parser(__doc__)
    parser.add_argument("--env", type=environment, default="Hopper-v5", help="a Gymnasium id")
    parser.add_argument("--algo", default="SAC", choices=["SAC", "TD3", "DQN"], help="DQN for discrete actions")
    parser.add_argument("--steps", type=int, default=60_000, help="environment steps of training")
    parser.add_argument("--kinds", nargs="+", default=["replay"], choices=KINDS, help="which datasets to write")
    parser.add_argument("--rollout-steps", type=int, default=50_000, help="rows of random, medium and expert")
    parser.add_argument("--width", type=int, help="units of the two hidden layers; SB3's default if not given")
    parser.add_argument("--batch-size", type=int, help="rows of a batch; SB3's default if not given")
    parser.add_argument("--learning-rate", type=float, help="SB3's default if not given")
    parser.add_argument("--seed", type=int, default=0, help="seed of agent and environment")
    parser.add_argument("--threads", type=int, default=1, help="torch threads")
    parser.add_argument("--out", type=Path, default=Path("data"), help="folder of the datasets")
    args = parser.parse_args()
    if min(args.steps, args.rollout_steps) < MIN_ROWS:
        parser.error(f"--steps and --rollout-steps must be at least {MIN_ROWS}.")
    write_datasets(args)


if __name__ == "__main__":
    main()
