"""Trains TorchRL's SAC with generated rows in every batch: ``python examples/sac_torchrl.py --frames 20000``."""

from __future__ import annotations

import torch
from common.arguments import Parser, continuous, one_line_errors, preset
from tensordict.nn import TensorDictModule
from torch import nn
from torchrl.collectors import Collector
from torchrl.data import LazyTensorStorage
from torchrl.envs import GymEnv
from torchrl.modules import MLP, NormalParamExtractor, ProbabilisticActor, TanhNormal, ValueOperator
from torchrl.objectives import SACLoss, SoftUpdate

from synth_replay_torchrl import SyntheticReplayBuffer


@one_line_errors
def main() -> None:
    """Trains SAC; only the line of the buffer differs from TorchRL's own example."""
    parser = Parser(__doc__)
    parser.add_argument("--env", type=continuous, default="Pendulum-v1", help="Gymnasium id, continuous actions")
    parser.add_argument("--frames", type=int, default=20_000, help="environment steps")
    parser.add_argument("--refresh-every", type=int, default=5_000, help="environment steps between two refits")
    parser.add_argument("--preset", type=preset, help="cpu, fast, paper, or a file; by default cpu, on a GPU fast")
    parser.add_argument("--seed", type=int, default=0, help="seed of all random numbers")
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    env = GymEnv(args.env)
    env.set_seed(args.seed)
    size, low, high = env.action_spec.shape[-1], env.action_spec.space.low, env.action_spec.space.high
    net = nn.Sequential(MLP(out_features=2 * size, num_cells=[128, 128]), NormalParamExtractor())
    module = TensorDictModule(net, ["observation"], ["loc", "scale"])
    law = {"distribution_class": TanhNormal, "distribution_kwargs": {"low": low, "high": high}}
    policy = ProbabilisticActor(module, in_keys=["loc", "scale"], spec=env.action_spec, **law)
    critic = ValueOperator(MLP(out_features=1, num_cells=[128, 128]), in_keys=["observation", "action"])
    for module in (policy, critic):
        module(env.reset().set("action", env.action_spec.rand()))
    options = {"refresh_every": args.refresh_every, "generator": args.preset}
    buffer = SyntheticReplayBuffer(env=env, storage=LazyTensorStorage(args.frames), batch_size=256, **options)
    loss = SACLoss(policy, critic)
    target, optimiser = SoftUpdate(loss, tau=0.005), torch.optim.Adam(loss.parameters(), 1e-3)
    settings = {"frames_per_batch": 100, "total_frames": args.frames, "auto_register_policy_transforms": True}
    for data in (collector := Collector(env, policy, **settings)):
        buffer.extend(data.select("observation", "action", "next", "done", "terminated", "truncated").reshape(-1))
        for _ in range(len(data)):
            sum(value for key, value in loss(buffer.sample()).items() if key.startswith("loss")).backward()
            optimiser.step()
            optimiser.zero_grad()
            target.step()
        print(f"{len(buffer)} frames, mean reward {data['next', 'reward'].mean():.2f}", flush=True)
    collector.shutdown()
    print(buffer.stats())


if __name__ == "__main__":
    main()
