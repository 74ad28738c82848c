"""PEX (Zhang et al. 2023, "Policy Expansion") on CFDG's buffer: a frozen offline policy beside a fresh one.

    python examples/pex_d3rlpy.py --data data/Hopper-v5-medium.npz --env Hopper-v5

Each policy proposes an action, and one of the two is taken with a probability that grows with its value. In d3rlpy this
is an explorer; IQL itself is unchanged.
"""

from __future__ import annotations

import d3rlpy
import gymnasium as gym
from common.arguments import Parser, continuous, one_line_errors, preset
from common.pex import PolicyExpansion, evaluate
from d3rlpy.algos import IQLConfig
from d3rlpy.logging import NoopAdapterFactory

from synth_replay.datasets import open_dataset
from synth_replay_d3rlpy import CFGMixedBuffer, to_replay_buffer

QUIET = {"logger_adapter": NoopAdapterFactory()}


@one_line_errors
def main() -> None:
    """Trains IQL offline, then a fresh IQL with the offline critic online, where both policies act."""
    parser = Parser(__doc__)
    parser.add_argument("--data", required=True, help="dataset in any format of synth_replay.datasets")
    parser.add_argument("--env", type=continuous, default="Hopper-v5", help="Gymnasium id, continuous actions")
    parser.add_argument("--offline-steps", type=int, default=10_000, help="gradient steps before fine-tuning")
    parser.add_argument("--online-steps", type=int, default=10_000, help="environment steps")
    parser.add_argument("--refresh-every", type=int, default=2_500, help="environment steps between two refits")
    parser.add_argument("--preset", type=preset, help="cpu, fast, paper, or a file; by default cpu, on a GPU fast")
    parser.add_argument("--seed", type=int, default=0, help="seed of all random numbers")
    args = parser.parse_args()
    env = gym.make(args.env)
    d3rlpy.seed(args.seed)
    env.reset(seed=args.seed)
    dataset = open_dataset(args.data, observation_space=env.observation_space, action_space=env.action_space)
    offline_data = to_replay_buffer(dataset.read(), dataset.spec)
    frozen = IQLConfig().create()
    frozen.fit(offline_data, n_steps=args.offline_steps, n_steps_per_epoch=args.offline_steps, **QUIET)

    fresh = IQLConfig().create()
    fresh.build_with_dataset(offline_data)
    for name in ("q_funcs", "targ_q_funcs", "value_func"):  # IQL bootstraps from the last two
        getattr(fresh.impl.modules, name).load_state_dict(getattr(frozen.impl.modules, name).state_dict())
    explorer = PolicyExpansion(frozen, seed=args.seed)
    settings = {"generator": args.preset, "refresh_every": args.refresh_every, "extra_columns": ()}
    buffer = CFGMixedBuffer(offline_data, env=env, **settings)
    steps = {"n_steps": args.online_steps, "n_steps_per_epoch": args.online_steps}
    fresh.fit_online(env, buffer, explorer=explorer, **steps, **QUIET)
    share = explorer.chosen[1] / explorer.chosen.sum()
    print(f"the fresh policy acted in {share:.0%} of the steps; return {evaluate(fresh, explorer, env):.0f}")


if __name__ == "__main__":
    main()
