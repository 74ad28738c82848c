"""The smallest size of the pipeline, and random data."""

from __future__ import annotations

from dataclasses import replace

from synth_replay.datasets import collect_episodes
from synth_replay_visual import VisualConfig
from tests.conftest import TINY

SMALLEST = VisualConfig(4, 6, 8, 6, (16,), generator=replace(TINY, store_rows=100), episodes=1, save_every=2)


def random_data(env, steps, seed=0):
    env.action_space.seed(seed)
    return collect_episodes(env, lambda _: env.action_space.sample(), steps=steps, seed=seed, progress=False)
