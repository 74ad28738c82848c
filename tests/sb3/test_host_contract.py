"""Our buffers do what SB3's own do with actions of any shape, resets, subclasses, values and devices."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3.common.buffers import DictReplayBuffer, NStepReplayBuffer, ReplayBuffer

from synth_replay import TransitionGenerator
from synth_replay.errors import (
    ConfigError,
    ImageObservationError,
    InvalidTransitionsError,
    UnsupportedSpaceError,
)
from synth_replay_sb3 import CFGMixedBuffer, SyntheticReplayBuffer, stored_transitions
from tests.conftest import TINY
from tests.sb3.helpers import ACTIONS, BOX, OPTIONS, batched, fill, offline

PARTS = spaces.Dict(a=spaces.Box(-9, 9, (2,)), b=spaces.Discrete(3))


def both(observation_space, action_space, **options):
    """One buffer of each of our classes."""
    data = offline(observation_space, action_space)
    yield SyntheticReplayBuffer(500, observation_space, action_space, **(OPTIONS | options))
    yield CFGMixedBuffer(500, observation_space, action_space, offline=data, **(OPTIONS | options))


# -- actions of any shape ---------------------------------------------------------------------


@pytest.mark.parametrize("space", [spaces.Box(-2, 3, (2, 3)), spaces.Box(0, 5, (2, 1, 2)), spaces.Box(-3, -1, ())])
def test_box_actions_of_any_number_of_dimensions_are_generated_as_sb3_stores_them(space):
    for buffer in both(BOX, space):
        batch = fill(buffer).sample(60)
        assert buffer.stats.refreshes == 1
        assert batch.actions.shape == (60, space.low.size) and batch.actions.abs().max() <= 1
        rows = stored_transitions(buffer)
        assert rows.actions.shape == (130, *space.shape)
        assert (rows.actions >= space.low).all() and (rows.actions <= space.high).all()
        scaled = 2 * (rows.actions - space.low) / (space.high - space.low) - 1  # by hand, one element at a time
        np.testing.assert_allclose(scaled.reshape(130, -1), buffer.actions[:130, 0], atol=1e-5)


@pytest.mark.parametrize("space", [spaces.MultiDiscrete([2, 3]), spaces.MultiBinary(4), spaces.Discrete(3)])
def test_discrete_actions_are_generated_in_sb3s_columns(space):
    for buffer in both(BOX, space):
        batch = fill(buffer).sample(60)
        stock = super(SyntheticReplayBuffer.__mro__[1], buffer).sample(60)
        assert buffer.stats.refreshes == 1 and batch.actions.shape == stock.actions.shape


def test_an_offline_dataset_of_matrix_actions_can_be_preloaded():
    space = spaces.Box(-2, 3, (2, 3))
    rows = offline(BOX, space)
    buffer = SyntheticReplayBuffer.from_transitions(rows, BOX, space, **OPTIONS)
    np.testing.assert_allclose(stored_transitions(buffer).actions, rows.actions, atol=1e-5)


# -- reset ------------------------------------------------------------------------------------


def test_after_a_reset_no_earlier_row_comes_back():
    for buffer in both(BOX, ACTIONS):
        fill(buffer).sample(30)
        old = {*map(bytes, buffer.observations[:130]), *map(bytes, stored_generated(buffer))}
        buffer.reset()
        new = {*map(bytes, fill(buffer, 50).observations[:50, 0])}
        batch = buffer.sample(60).observations.numpy()
        assert not old & set(map(bytes, batch)) and new & set(map(bytes, batch))
        assert buffer.stats.refreshes == 1 and buffer.stats.rows == 0 and buffer.engine.next_refresh == 250
        fill(buffer, 70).sample(60)
        assert buffer.stats.refreshes == 2 and not old & set(map(bytes, buffer.sample(60).observations.numpy()))


def stored_generated(buffer):
    return np.concatenate([store.rows()["observations"] for store in buffer.engine.stores.values()])


def test_a_saved_generator_serves_a_buffer_that_was_reset_too(tmp_path):
    rows = offline(BOX, ACTIONS)
    TransitionGenerator(BOX, ACTIONS, TINY, seed=0, device="cpu").fit(rows, progress=False).save(tmp_path)
    buffer = fill(SyntheticReplayBuffer(500, BOX, ACTIONS, **OPTIONS | {"generator": str(tmp_path)}), 20)
    buffer.sample(10)
    buffer.reset()
    fill(buffer, 20).sample(10)
    assert buffer.stats.rows == TINY.store_rows and buffer.stats.real_share == 0.5


# -- subclasses -------------------------------------------------------------------------------


class HalvedRewards(SyntheticReplayBuffer):
    """A user's subclass that halves rewards."""

    def add(self, obs, next_obs, action, reward, done, infos):
        super().add(obs, next_obs, action, 0.5 * reward, done, infos)


class OwnArguments(SyntheticReplayBuffer):
    """A user's subclass whose arguments differ from SB3's."""

    def __init__(self, observation_space, **kwargs):
        super().__init__(500, observation_space, ACTIONS, **(OPTIONS | kwargs))


class HalvedMixed(CFGMixedBuffer):
    """A user's subclass of the mixed buffer."""


@pytest.mark.parametrize(
    ("kind", "space", "options", "host"),
    [
        (HalvedRewards, PARTS, {}, DictReplayBuffer),
        (HalvedRewards, BOX, {"n_steps": 3}, NStepReplayBuffer),
        (HalvedRewards, BOX, {}, ReplayBuffer),
        (HalvedMixed, PARTS, {"offline": offline(PARTS, ACTIONS)}, DictReplayBuffer),
    ],
)
def test_a_subclass_gets_the_host_buffer_that_its_spaces_need(kind, space, options, host):
    buffer = kind(500, space, ACTIONS, **OPTIONS, **options)
    assert isinstance(buffer, kind) and isinstance(buffer, host)
    batch = fill(buffer).sample(60)
    assert buffer.stats.refreshes == 1 and type(batch) is type(super(kind.__mro__[2], buffer).sample(60))
    again = pickle.loads(pickle.dumps(buffer))
    assert type(again) is type(buffer)
    np.random.seed(1)
    first = buffer.sample(20).rewards
    np.random.seed(1)
    assert torch.equal(first, again.sample(20).rewards)


def test_a_subclass_may_change_the_arguments_and_still_learns():
    assert isinstance(fill(OwnArguments(PARTS)), DictReplayBuffer)
    assert isinstance(OwnArguments(BOX, n_steps=2.0), NStepReplayBuffer)
    halved = fill(HalvedRewards(500, PARTS, ACTIONS, **OPTIONS), 1)
    np.random.seed(0)
    assert halved.rewards.any()


# -- real rows alone --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "space",
    [
        spaces.Box(0, 255, (3, 36, 36), np.uint8),
        spaces.Dict(camera=spaces.Box(0, 255, (3, 36, 36), np.uint8), speed=spaces.Box(-1, 1, (2,))),
        spaces.Discrete(100_000),
    ],
)
def test_with_a_real_ratio_of_one_every_space_of_sb3_is_served_bit_for_bit(space):
    stock = (DictReplayBuffer if isinstance(space, spaces.Dict) else ReplayBuffer)(50, space, ACTIONS, device="cpu")
    ours = SyntheticReplayBuffer(50, space, ACTIONS, real_ratio=1.0, **OPTIONS)
    batches = []
    for buffer in (stock, ours):
        np.random.seed(3)
        space.seed(3)
        fill(buffer, 60)
        batches.append(pickle.loads(pickle.dumps(buffer)).sample(40))
    for a, b in zip(*batches, strict=True):
        pairs = zip(a.values(), b.values(), strict=True) if isinstance(a, dict) else [(a, b)]
        assert all(x is y is None or torch.equal(x, y) for x, y in pairs)
    with pytest.raises(UnsupportedSpaceError):
        ours.preload(offline(BOX, ACTIONS))
    with pytest.raises(UnsupportedSpaceError):
        SyntheticReplayBuffer(50, space, ACTIONS, **OPTIONS)


def test_an_image_among_dict_observations_is_refused_with_a_remedy(tmp_path):
    space = spaces.Dict(camera=spaces.Box(0, 255, (3, 36, 36), np.uint8), speed=spaces.Box(-1, 1, (2,)))
    for options in ({}, {"encoder": tmp_path / "encoder.pt2"}):
        with pytest.raises(ImageObservationError, match=r"images \('camera'\).*ObservationWrapper.*encoder\.encode"):
            SyntheticReplayBuffer(50, space, ACTIONS, **OPTIONS, **options)


# -- values and devices -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"), [("reward", np.nan), ("observation 'a'", np.inf), ("next observation 'a'", -np.inf)]
)
def test_a_value_that_is_not_finite_is_named_with_its_environment_and_step_as_it_is_stored(name, value):
    buffer = fill(SyntheticReplayBuffer(500, PARTS, ACTIONS, n_envs=3, **OPTIONS), 5)
    before, after = batched(PARTS, 3), batched(PARTS, 3)
    rewards = np.ones(3)
    {"r": rewards, "o": before["a"], "n": after["a"]}[name[0]][1] = value
    with pytest.raises(InvalidTransitionsError, match=rf"{name} of environment 1 is .* step 17 \(position 5 of"):
        buffer.add(before, after, np.zeros((3, 1)), rewards, np.zeros(3), [{}] * 3)
    assert buffer.pos == 5 and buffer.engine.steps == 15


@pytest.mark.parametrize("device", ["cuda", "cuda:0", torch.device("cuda"), "auto", "cpu"])
def test_without_a_gpu_the_cpu_is_used_as_in_sb3(device, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for buffer in both(BOX, ACTIONS, device=device):
        assert buffer.device == buffer.engine.generator.device == torch.device("cpu")
    with pytest.raises(ConfigError, match="no device 'gpu'"):
        SyntheticReplayBuffer(500, BOX, ACTIONS, **OPTIONS | {"device": "gpu"})


def test_a_buffer_too_small_for_a_fit_warns():
    with pytest.warns(UserWarning, match="keeps 60 real rows, and a fit needs 100.*buffer_size"):
        SyntheticReplayBuffer(62, BOX, ACTIONS, n_envs=3, **OPTIONS)
