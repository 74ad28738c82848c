"""A hand-written training loop in the style of CleanRL: DQN on CartPole with ``synth_replay.buffers``."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import torch
from common.arguments import Parser, one_line_errors, preset, ratio
from torch import nn

from synth_replay.buffers import SyntheticReplayBuffer


@one_line_errors
def main() -> None:
    """Trains DQN and prints the mean return of the last episodes."""
    parser = Parser(__doc__)
    parser.add_argument("--steps", type=int, default=20_000, help="environment steps")
    parser.add_argument("--real-ratio", type=ratio, default=0.5, help="share of real rows in a batch, or auto")
    parser.add_argument("--preset", type=preset, help="cpu, fast, paper, or a file; by default cpu, on a GPU fast")
    parser.add_argument("--seed", type=int, default=0, help="seed of all random numbers")
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    rng, env = np.random.default_rng(args.seed), gym.make("CartPole-v1")
    networks = [nn.Sequential(nn.Linear(4, 64), nn.ReLU(), nn.Linear(64, 2)) for _ in range(2)]
    q, target = networks
    optimiser = torch.optim.Adam(q.parameters(), 1e-3)
    options = {"real_ratio": args.real_ratio, "refresh_every": 5_000, "generator": args.preset, "seed": args.seed}
    buffer = SyntheticReplayBuffer(50_000, env.observation_space, env.action_space, **options)
    observation, returns = env.reset(seed=args.seed)[0], [0.0]
    for step in range(args.steps):
        explores = rng.random() < max(0.05, 1 - step / 5_000)
        action = rng.integers(2) if explores else int(q(torch.as_tensor(observation)).argmax())
        after, reward, terminated, truncated, _ = env.step(action)
        buffer.add(observation, action, reward, after, terminated, truncated)
        returns[-1] += float(reward)
        observation = after
        if terminated or truncated:
            observation, returns = env.reset()[0], [*returns, 0.0]
        if step >= 500 and step % 2 == 0:
            rows = buffer.sample(128).to_torch()
            with torch.no_grad():
                best = target(rows["next_observations"]).amax(1) * (1 - rows["terminations"])
            chosen = q(rows["observations"]).gather(1, rows["actions"].long()[:, None])[:, 0]
            loss = nn.functional.mse_loss(chosen, (rows["rewards"] + 0.99 * best).float())
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        if step % 500 == 0:
            target.load_state_dict(q.state_dict())
    print(f"return of the last episodes: {np.mean(returns[-11:-1]):.0f}; {buffer.stats}")


if __name__ == "__main__":
    main()
