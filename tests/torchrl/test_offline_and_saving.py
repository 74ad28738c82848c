"""Offline data, other storages, and saving."""

from __future__ import annotations

import pickle
from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest
import torch
from torchrl.data import (
    LazyMemmapStorage,
    LazyTensorStorage,
    TensorDictReplayBuffer,
)
from torchrl.envs import (
    GymEnv,
    RewardScaling,
)

from synth_replay import TransitionGenerator
from synth_replay_torchrl import CFGMixedBuffer
from tests.conftest import TINY, rollout
from tests.torchrl.helpers import QUIET, buffer, filled, pendulum


def test_a_preloaded_time_limit_stays_one():
    rows = rollout("Pendulum-v1", 450)
    made = buffer()
    made.preload(rows)
    after = made.storage[:450]["next"]
    assert after["truncated"].sum() == after["done"].sum() == rows.truncations.sum() == 2
    assert not after["terminated"].any()


def test_shapes_and_types_of_generated_rows_are_those_of_the_stored_ones():
    made, rows = buffer(), pendulum().rollout(200)
    flat = rows.clone()
    flat["next", "reward"] = flat["next", "reward"].squeeze(-1).double()
    made.extend(flat)
    made.engine.request_refresh()
    batch = made.sample()
    assert batch["next", "reward"].shape == (32,) and batch["next", "reward"].dtype == torch.float64


def test_mixed_batches_without_online_rows_are_on_the_storages_device():
    storage = LazyTensorStorage(500, device="cpu")
    made = CFGMixedBuffer(rollout("Pendulum-v1", 300), env=pendulum(), storage=storage, batch_size=30, **QUIET)
    assert made.sample().device == torch.device("cpu")
    made.extend(pendulum().rollout(20))
    assert made.sample().device == torch.device("cpu")


def test_the_transform_of_an_offline_buffer_is_not_applied_twice():
    def scaling():
        return RewardScaling(loc=0.0, scale=10.0, in_keys=[("next", "reward")])

    stock = TensorDictReplayBuffer(storage=LazyTensorStorage(500), transform=scaling())
    rows = pendulum().rollout(200)
    stock.extend(rows)
    made = CFGMixedBuffer(stock, env=pendulum(), transform=scaling(), batch_size=30, generation="none", **QUIET)
    found = made.sample()["next", "reward"]
    assert torch.isin(found.round(decimals=2), (rows["next", "reward"] * 10).round(decimals=2)).all()


def test_a_generator_of_gymnasiums_spaces_serves_torchrl(tmp_path):
    env = gym.make("Hopper-v5")
    generator = TransitionGenerator(env.observation_space, env.action_space, TINY, seed=0, device="cpu")
    generator.fit(replace(rollout("Hopper-v5", 300), truncations=None), progress=False)
    generator.save(tmp_path / "hopper")
    made = filled(GymEnv("Hopper-v5"), generator=tmp_path / "hopper")
    batch = made.sample()
    assert batch["observation"].dtype == torch.float64 and (batch["index"] == -1).sum() == 16


def test_files_and_state_dicts_hold_the_generator_and_its_rows(tmp_path):
    made = filled(storage=LazyMemmapStorage(500, scratch_dir=tmp_path / "rows"))
    made.sample()
    made.dumps(tmp_path / "files")
    read, told = filled(steps=5, storage=LazyMemmapStorage(500)), filled(steps=5, storage=LazyMemmapStorage(500))
    read.loads(tmp_path / "files")
    told.load_state_dict(made.state_dict())
    copied = pickle.loads(pickle.dumps(filled()))
    assert copied.sample().shape == (32,)
    batches = []
    for one in (made, read, told):
        torch.manual_seed(5)
        batches.append(one.sample())
    for other in batches[1:]:
        assert all(torch.equal(batches[0][key], other[key]) for key in batches[0].keys(True, True))


def test_an_offline_dataset_is_preloaded_as_rows_or_tensordict():
    for rows in (rollout("Pendulum-v1"), pendulum().rollout(200)):
        made = buffer()
        made.preload(rows)
        assert len(made) == len(rows)
        assert (made.sample()["index"] == -1).sum() == 16


@pytest.mark.parametrize("kind", ["rows", "tensordict", "buffer", "path"])
def test_the_offline_side_of_a_mixed_buffer_may_be_anything(kind, tmp_path):
    given = held = rollout("Pendulum-v1", 300)
    if kind == "path":
        given = tmp_path / "offline.npz"
        np.savez(given, **{k: v for k, v in held.columns().items() if k != "truncations"})
    elif kind != "rows":
        given = pendulum().rollout(300, break_when_any_done=False)
    if kind == "buffer":
        stock = TensorDictReplayBuffer(storage=LazyTensorStorage(500))
        stock.extend(given)
        given = stock
    made = CFGMixedBuffer(given, env=pendulum(), storage=LazyTensorStorage(500), batch_size=30, **QUIET)
    made.extend(pendulum().rollout(200))
    batch = made.sample()
    assert np.bincount(made.last_sources, minlength=4).tolist() == [10, 10, 8, 2]
    assert torch.equal(batch["index"] >= 0, torch.as_tensor(made.last_sources == 0))
