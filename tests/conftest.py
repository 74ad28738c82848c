"""Real transitions of real environments, and a configuration small enough for a fast test."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from ctypes.util import find_library

os.environ.setdefault("OMP_NUM_THREADS", "1")
if sys.platform == "linux" and not os.environ.get("DISPLAY") and find_library("EGL"):
    os.environ.setdefault("MUJOCO_GL", "egl")  # before d3rlpy imports dm_control, which would choose GLFW

from dataclasses import replace
from functools import cache, lru_cache

import numpy as np
import pytest
import torch

from synth_replay import GeneratorConfig, Transitions
from synth_replay.generator.config import CPU
from synth_replay.testing import case

torch.set_num_threads(1)

TINY = replace(
    CPU,
    network=replace(CPU.network, width=32, depth=2, embedding_dim=16),
    training=replace(CPU.training, steps=20, batch_size=64, eval_every=10),
    sampler=replace(CPU.sampler, steps=4),
    relabel=replace(CPU.relabel, steps=20, width=16),
    store_rows=500,
)


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Networks and host algorithms that are given no seed begin alike in every run; TEST_SEED=1 tries others."""
    seed = int(os.environ.get("TEST_SEED", "0"))
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


@lru_cache
def rollout(env_id: str, steps: int = 600, seed: int = 0) -> Transitions:
    """Transitions of a random policy."""
    return case.random_rollout(env_id, steps, seed)


@pytest.fixture
def tiny() -> GeneratorConfig:
    return TINY


@pytest.fixture
def pendulum() -> Transitions:
    return rollout("Pendulum-v1")


@pytest.fixture
def cartpole() -> Transitions:
    return rollout("CartPole-v1")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "rendering: is skipped where dm_control cannot draw")


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("rendering") and (lack := _why_no_rendering()):
        pytest.skip(lack)


@cache
def _why_no_rendering() -> str:
    """Asks dm_control itself in a process, so that a mistake of ours fails tests and skips none."""
    chosen = any(os.environ.get(name) for name in ("MUJOCO_GL", "DISPLAY", "WAYLAND_DISPLAY"))
    env = os.environ if chosen else os.environ | {"MUJOCO_GL": "egl"}
    code = "from dm_control import suite; suite.load('pendulum', 'swingup').physics.render(8, 8)"
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    return done.stderr.strip().splitlines()[-1] if done.returncode else ""
