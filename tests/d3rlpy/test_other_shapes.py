"""Datasets that cannot be modelled are sampled as in d3rlpy with real ratio 1, and refused by name otherwise."""

from __future__ import annotations

import d3rlpy
import numpy as np
import pytest
from d3rlpy.dataset import (
    BasicTransitionPicker,
    Episode,
    FrameStackTransitionPicker,
    InfiniteBuffer,
    ReplayBuffer,
    Transition,
)

from synth_replay.errors import ConfigError, SpecMismatchError, UnsupportedBufferError
from synth_replay_d3rlpy import SyntheticReplayBuffer
from tests.conftest import TINY

QUIET = {"generator": TINY, "progress": False, "device": "cpu"}


def episode(steps=40, observations=3, actions=2, rewards=1):
    rng = np.random.default_rng(steps)
    seen = rng.normal(size=(steps, observations)).astype(np.float32)
    acted = rng.uniform(-1, 1, (steps, actions)).astype(np.float32)
    return Episode(seen, acted, rng.normal(size=(steps, rewards)).astype(np.float32), True)


def stock(picker=None, rewards=1):
    episodes = [episode(steps, rewards=rewards) for steps in (40, 60, 80)]
    return ReplayBuffer(InfiniteBuffer(), transition_picker=picker or BasicTransitionPicker(), episodes=episodes)


class Doubled(BasicTransitionPicker):
    """A user's picker whose observations are twice as wide as the stored ones."""

    def __call__(self, held, index):
        found = super().__call__(held, index)
        values = dict(vars(found))
        values["observation"] = np.tile(found.observation, 2)
        values["next_observation"] = np.tile(found.next_observation, 2)
        return Transition(**values)


ODD = {
    "stacked": lambda: stock(FrameStackTransitionPicker(2)),
    "doubled": lambda: stock(Doubled()),
    "rewards": lambda: stock(rewards=2),
}


@pytest.mark.parametrize("make", ODD.values(), ids=ODD)
def test_with_real_ratio_1_batches_are_those_of_d3rlpy(make):
    batches = []
    for dataset in (make(), SyntheticReplayBuffer.wrap(make(), real_ratio=1, **QUIET)):
        d3rlpy.seed(3)
        batches.append(dataset.sample_transition_batch(8))
    for name in ("observations", "actions", "rewards", "next_observations", "next_actions", "terminals"):
        assert np.array_equal(getattr(batches[0], name), getattr(batches[1], name)), name


def test_where_rows_are_generated_such_datasets_are_refused():
    with pytest.raises(UnsupportedBufferError, match="stacks 2"):
        SyntheticReplayBuffer.wrap(ODD["stacked"](), **QUIET)
    with pytest.raises(SpecMismatchError, match="one number"):
        SyntheticReplayBuffer.wrap(ODD["rewards"](), **QUIET)
    with pytest.raises(UnsupportedBufferError, match="picker"):
        SyntheticReplayBuffer.wrap(ODD["doubled"](), **QUIET).sample_transition_batch(8)


@pytest.mark.parametrize("other", [{"observations": 7}, {"actions": 1}, {"rewards": 2}], ids=str)
def test_an_episode_of_other_shapes_is_not_stored(other):
    made = SyntheticReplayBuffer.wrap(stock(), **QUIET)
    with pytest.raises(SpecMismatchError, match="Nothing was stored"):
        made.append_episode(episode(**other))
    assert made.size() == 3
    made.append_episode(episode(20))
    assert made.size() == 4


def test_a_dataset_with_an_episode_of_other_shapes_is_refused_when_it_is_wrapped():
    dataset = stock()
    dataset.append_episode(episode(observations=7))
    with pytest.raises(SpecMismatchError, match="first episode"):
        SyntheticReplayBuffer.wrap(dataset, **QUIET)


@pytest.mark.parametrize("size", [-1, 1.5, "5"])
def test_an_invalid_batch_size_is_refused(size):
    with pytest.raises(ConfigError, match="batch_size"):
        SyntheticReplayBuffer.wrap(stock(), **QUIET).sample_transition_batch(size)


def test_an_episode_of_other_shapes_after_a_good_one_leaves_no_rows_twice():
    buffer = SyntheticReplayBuffer.wrap(stock(), real_ratio=1, **QUIET)
    buffer.sample_transition_batch(8)
    buffer.dataset.append_episode(episode(50))
    buffer.dataset.append_episode(episode(30, observations=5))
    for _ in range(3):
        buffer.dataset.sample_transition_batch = lambda size: size  # d3rlpy's own way cannot batch these either
        assert buffer.sample_transition_batch(8) == 8
    columns = buffer._columns
    assert not columns.plain
    with pytest.raises(SpecMismatchError):
        columns.sync()
    with pytest.raises(SpecMismatchError):
        columns.sync()
    assert len(columns._rows) == 0
