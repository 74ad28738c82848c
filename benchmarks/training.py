"""Training steps per CPU-second, ours against the plain loop of the paper's code.

The plain loop has a shuffling DataLoader over the rows, PyTorch's default AdamW, the weighted loss of the
preconditioned denoiser, ``loss.item()`` at each step, and a per-parameter weight average. Network, batch size and data
are the same.
"""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import torch
from shared import cpu_seconds, replay, report
from torch.utils.data import DataLoader, TensorDataset

from synth_replay import TransitionSpec
from synth_replay.codec import TransitionCodec
from synth_replay.diffusion import Denoiser, DenoiserTrainer, ResidualMLP
from synth_replay.generator import CodecConfig, NetworkConfig, NoiseConfig, TrainingConfig

BATCH = 256


def encoded_rows() -> torch.Tensor:
    """Encodes the Hopper replay as normalised rows ``[50000, 27]``."""
    env = gym.make("Hopper-v5")
    config = CodecConfig(normalizer="zscore", next_observations="absolute", discrete="diffuse")
    codec = TransitionCodec(TransitionSpec(env.observation_space, env.action_space), config)
    return torch.from_numpy(codec.fit_transform(replay("Hopper-v5")[0], np.random.default_rng(0)).rows)


def network(width: int, dim: int) -> ResidualMLP:
    """Creates the network with the same initial weights for both loops."""
    torch.manual_seed(0)
    return ResidualMLP(dim, 0, NetworkConfig(width=width))


def plain_loop(width: int, rows: torch.Tensor, steps: int) -> None:
    """Trains with the plain loop."""
    model = network(width, rows.shape[1])
    average = [p.detach().clone() for p in model.parameters()]
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4, betas=(0.9, 0.99), weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    done = 0
    while done < steps:
        for (x,) in DataLoader(TensorDataset(rows), batch_size=BATCH, shuffle=True):
            sigma = (torch.randn(len(x), 1) * 1.2 - 1.2).exp()
            noisy = x + torch.randn_like(x) * sigma
            total = sigma**2 + 1
            out = model(noisy / total.sqrt(), (sigma.log() / 4).squeeze(1), None)
            denoised = noisy / total + out * sigma / total.sqrt()
            loss = (((denoised - x) ** 2).mean(dim=1, keepdim=True) * total / sigma**2).mean()
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            loss.item()
            done += 1
            if done % 10 == 0:
                for mean, value in zip(average, model.parameters(), strict=True):
                    mean.lerp_(value.detach(), 0.005)
            if done == steps:
                return


def our_loop(width: int, rows: torch.Tensor, steps: int) -> None:
    """Trains with our trainer at the same settings."""
    config = TrainingConfig(steps=steps, batch_size=BATCH, eval_every=steps)
    rng = torch.Generator().manual_seed(0)
    denoiser = Denoiser(network(width, rows.shape[1]), NoiseConfig())
    held, kept = rows[: 5 * steps], rows[2500:]  # 2500 held-out rows every 500 steps, as in the presets
    for _ in DenoiserTrainer(denoiser, kept, None, (held, None), torch.arange(len(kept)), config, rng).run():
        pass


def main() -> None:
    """Times both loops in turn, so that changes in the machine's speed affect both."""
    rows = encoded_rows()
    table = []
    for threads, width, steps, rounds in ((1, 256, 300, 5), (2, 256, 300, 5), (1, 1024, 60, 5)):
        torch.set_num_threads(threads)  # CPU time includes the waiting of a second thread
        plain_loop(width, rows, 5)
        plain, ours = [], []
        for _ in range(rounds):
            plain.append(cpu_seconds(lambda w=width, n=steps: plain_loop(w, rows, n)))
            ours.append(cpu_seconds(lambda w=width, n=steps: our_loop(w, rows, n)))
        a, b = steps / float(np.median(plain)), steps / float(np.median(ours))
        table.append(
            {"threads": threads, "width": width, "plain steps/CPU-s": a, "ours steps/CPU-s": b, "ratio": b / a}
        )
    report("training", table, batch_size=BATCH, note="ours includes the evaluation of the held-out loss")


if __name__ == "__main__":
    main()
