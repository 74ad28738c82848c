"""Milliseconds per batch of 256 for our buffers and the host libraries' own, and bytes per stored transition."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from shared import milliseconds, report
from shared import replay as real_rows

from synth_replay import Transitions
from synth_replay.buffers.store import ColumnStore
from synth_replay.generator import CPU, RelabelConfig

warnings.simplefilter("ignore")

from d3rlpy.dataset import MDPDataset, ReplayBufferBase  # noqa: E402
from stable_baselines3.common.buffers import ReplayBuffer  # noqa: E402
from torchrl.data import LazyTensorStorage, TensorDictReplayBuffer  # noqa: E402
from torchrl.envs import GymEnv  # noqa: E402

from synth_replay_d3rlpy import SyntheticReplayBuffer as D3rlpyBuffer  # noqa: E402
from synth_replay_sb3 import SyntheticReplayBuffer as Sb3Buffer  # noqa: E402
from synth_replay_torchrl import SyntheticReplayBuffer as TorchrlBuffer  # noqa: E402

ENV = "Hopper-v5"
ROUNDS = 9
MILLION = 1_000_000
# the generator's quality does not matter for speed, so fits have 20 steps
QUICK = replace(
    CPU, training=replace(CPU.training, steps=20, eval_every=20), relabel=RelabelConfig(), store_rows=50_000
)

Draw = Callable[[], Any]


def sb3_buffers(rows: Transitions) -> tuple[Draw, Draw]:
    """Creates SB3's own buffer and ours over the same arrays."""
    env = gym.make(ENV)
    spaces = (env.observation_space, env.action_space)
    mixed = Sb3Buffer.from_transitions(rows, *spaces, generator=QUICK, refresh_every=10**9)
    plain = ReplayBuffer(len(rows), *spaces)
    for name in ("observations", "next_observations", "actions", "rewards", "dones", "timeouts"):
        setattr(plain, name, getattr(mixed, name))
    plain.full = True
    return lambda: plain.sample(256), lambda: mixed.sample(256)


def d3rlpy_buffers(rows: Transitions) -> tuple[Draw, Draw]:
    """Creates d3rlpy's own buffer and ours around it, with the replay as episodes."""
    last = rows.terminations | rows.truncations
    last[-1] = True
    plain: ReplayBufferBase = MDPDataset(
        rows.observations.astype(np.float32),
        rows.actions,
        rows.rewards,
        rows.terminations.astype(np.float32),
        (last & ~rows.terminations).astype(np.float32),
    )
    mixed = D3rlpyBuffer.wrap(plain, generator=QUICK, extra_columns=())
    return lambda: plain.sample_transition_batch(256), lambda: mixed.sample_transition_batch(256)


def torchrl_buffers(rows: Transitions) -> tuple[Draw, Draw]:
    """Creates TorchRL's own buffer and ours with the same rows."""
    quick = {"generator": QUICK, "refresh_every": 10**9, "device": "cpu"}
    mixed = TorchrlBuffer(env=GymEnv(ENV), storage=LazyTensorStorage(len(rows)), **quick)
    mixed.preload(rows)
    plain = TensorDictReplayBuffer(storage=LazyTensorStorage(len(rows)))
    plain.extend(mixed.storage[: len(mixed)].exclude("index"))
    return lambda: plain.sample(256), lambda: mixed.sample(256)


def compare(host: str, call: str, buffers: tuple[Draw, Draw], calls: tuple[int, int]) -> list[dict[str, Any]]:
    """Compares two buffers by the medians of interleaved rounds; ``calls`` is the number of batches of each."""
    for draw in buffers:
        draw()
    times = [[milliseconds(draw, n) for draw, n in zip(buffers, calls, strict=True)] for _ in range(ROUNDS)]
    base, ours = np.median(np.array(times), axis=0)
    return [
        {"figure": f"{host}, ms per {call}", "value": float(base), "ratio": 1.0},
        {"figure": f"SyntheticReplayBuffer for it, ms per {call}", "value": float(ours), "ratio": float(ours / base)},
    ]


def memory(rows: Transitions) -> list[dict[str, Any]]:
    """Measures the bytes per row of a full store of generated rows, against float32 columns."""
    store = ColumnStore(MILLION)
    leaves = rows.leaves()
    leaves.pop("truncations")
    for start in range(0, MILLION, len(rows)):
        store.add({name: a[: MILLION - start] for name, a in leaves.items()})
    raw = sum(4 * int(np.prod(a.shape[1:])) for a in leaves.values()) * MILLION
    held = {"value": store.nbytes / MILLION, "ratio": store.nbytes / raw}
    return [
        {"figure": "float32 bytes of a transition's columns", "value": raw / MILLION, "ratio": 1.0},
        {"figure": "synthetic store of 1M rows, bytes per row", **held},
    ]


def main() -> None:
    """Runs all comparisons on one thread."""
    torch.set_num_threads(1)
    rows = real_rows(ENV)[0]
    table = compare("SB3 ReplayBuffer", "sample(256)", sb3_buffers(rows), (2_000, 2_000))
    batches = d3rlpy_buffers(rows)
    table += compare("d3rlpy ReplayBuffer", "sample_transition_batch(256)", batches, (100, 2_000))
    table += compare("TorchRL TensorDictReplayBuffer", "sample(256)", torchrl_buffers(rows), (1_000, 1_000))
    report("buffer", table + memory(rows))


if __name__ == "__main__":
    main()
