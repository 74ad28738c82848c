"""Buffers of TorchRL on a real environment."""

from __future__ import annotations

import torch
from torchrl.data import (
    LazyTensorStorage,
)
from torchrl.envs import (
    GymEnv,
)

from synth_replay_torchrl import SyntheticReplayBuffer
from tests.conftest import TINY

QUIET = {"generator": TINY, "progress": False, "device": "cpu", "refresh_every": 200}


def pendulum():
    return GymEnv("Pendulum-v1")


def buffer(env=None, **options):
    storage = options.pop("storage", LazyTensorStorage(2_000))
    return SyntheticReplayBuffer(env=env or pendulum(), storage=storage, batch_size=32, **(QUIET | options))


def filled(env=None, steps=250, **options):
    env = env or pendulum()
    made = buffer(env, **options)
    torch.manual_seed(0)
    env.set_seed(0)
    made.extend(env.rollout(steps, break_when_any_done=False).reshape(-1))
    return made
