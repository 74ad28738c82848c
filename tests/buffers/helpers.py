"""Mixed buffers whose offline rows can be told from online ones by their rewards."""

from __future__ import annotations

from dataclasses import replace

import gymnasium as gym
import numpy as np

from synth_replay import Transitions
from synth_replay.buffers.cfg_mixed import CFGMixedBuffer
from synth_replay.datasets import create_dataset
from synth_replay.transitions import TransitionSpec
from tests.conftest import TINY, rollout

ENV = gym.make("Pendulum-v1")
SPEC = TransitionSpec(ENV.observation_space, ENV.action_space)
SHIFT = 100.0  # offline rewards lie this much lower, so that a real row tells where it is from


def offline_data(rows: int = 600) -> Transitions:
    found = rollout("Pendulum-v1")[:rows]
    return replace(found, rewards=found.rewards - SHIFT)


def make(**kwargs):
    defaults = {"generator": TINY, "refresh_every": 200, "seed": 0, "device": "cpu", "offline": offline_data()}
    offline = (defaults | kwargs).pop("offline")
    rest = {k: v for k, v in (defaults | kwargs).items() if k != "offline"}
    return CFGMixedBuffer(1000, ENV.observation_space, ENV.action_space, offline, **rest)


def write(path, rows, spec=SPEC):
    with create_dataset(path, spec, len(rows)) as writer:
        writer.write(rows)


def feed(buffer, count=200):
    rows = rollout("Pendulum-v1", seed=1)[:count]
    names = ("observations", "actions", "rewards", "next_observations", "terminations")
    buffer.add(*(getattr(rows, name) for name in names))
    return buffer


def counted(buffer, batch=256):
    rows = buffer.sample(batch)
    return rows, np.bincount(buffer.last_sources, minlength=4).tolist()
