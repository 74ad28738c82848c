"""Milliseconds per ``sample(256)`` against SB3's own buffer, and bytes per stored transition."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import torch
from common import fitted, milliseconds, replay, report
from stable_baselines3.common.buffers import ReplayBuffer
from synth_replay_sb3 import SyntheticReplayBuffer

from synth_replay.config import CPU
from synth_replay.store import ColumnStore

ENV = "Hopper-v5"
ROUNDS = 9
CALLS = 2_000
MILLION = 1_000_000


def main() -> None:
    """Interleaves both buffers on one thread and takes medians."""
    torch.set_num_threads(1)
    fitted(ENV, CPU, "cpu")
    env, rows = gym.make(ENV), replay(ENV)[0]
    mixed = SyntheticReplayBuffer.from_transitions(
        rows,
        env.observation_space,
        env.action_space,
        generator=CPU,
        refit_steps=20,
        refresh_every=10**9,
        store_rows=50_000,
    )
    mixed.sample(256)
    plain = ReplayBuffer(len(rows), env.observation_space, env.action_space)
    for name in ("observations", "next_observations", "actions", "rewards", "dones", "timeouts"):
        setattr(plain, name, getattr(mixed, name))
    plain.full = True
    times = [
        (milliseconds(lambda: plain.sample(256), CALLS), milliseconds(lambda: mixed.sample(256), CALLS))
        for _ in range(ROUNDS)
    ]
    base, ours = np.median(np.array(times), axis=0)
    store = ColumnStore(MILLION)
    leaves = rows.leaves()
    leaves.pop("truncations")
    for start in range(0, MILLION, len(rows)):
        store.add({name: a[: MILLION - start] for name, a in leaves.items()})
    raw = sum(4 * int(np.prod(a.shape[1:])) for a in leaves.values()) * MILLION
    table = [
        {"figure": "SB3 ReplayBuffer, ms per sample(256)", "value": float(base), "ratio": 1.0},
        {"figure": "SyntheticReplayBuffer, ms per sample(256)", "value": float(ours), "ratio": float(ours / base)},
        {"figure": "float32 bytes of a transition's columns", "value": raw / MILLION, "ratio": 1.0},
        {
            "figure": "synthetic store of 1M rows, bytes per row",
            "value": store.nbytes / MILLION,
            "ratio": store.nbytes / raw,
        },
    ]
    report("buffer", table)


if __name__ == "__main__":
    main()
