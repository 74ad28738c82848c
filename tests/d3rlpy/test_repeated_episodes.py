"""With repeated episodes and custom storages, rows are those that stock d3rlpy draws."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

from synth_replay_d3rlpy import CFGMixedBuffer, SyntheticReplayBuffer
from synth_replay_d3rlpy.columns import EpisodeColumns
from tests.d3rlpy.helpers import KWARGS, d3rlpy, dataset
from tests.d3rlpy.test_columns import Episode, assert_same_rows, empty


def shown(number, steps=5, terminated=True):
    values = (np.arange(steps) + 100.0 * number).astype(np.float32)[:, None]
    return Episode(np.repeat(values, 2, 1), values, values, terminated)


@pytest.mark.parametrize("limit", [None, 12, 7])
@pytest.mark.parametrize("order", [(0, 0, 0), (0, 1, 0), (0, 1, 1, 0, 0), (0, 1, 0, 1, 2)])
@pytest.mark.parametrize("at_once", [True, False])
def test_an_episode_that_is_appended_again_is_stored_again(limit, order, at_once):
    host, kept = empty(limit), [shown(i) for i in range(3)]
    columns = EpisodeColumns(host)
    for number in order:
        host.append_episode(kept[number])
        if not at_once:
            columns.sync()
    columns.sync()
    assert_same_rows(columns, host)
    assert len(columns) == min(5 * len(order), limit or 100)


def test_equal_episodes_that_are_different_objects_are_stored_separately():
    host, first = empty(), shown(0, terminated=False)
    host.append_episode(first)
    columns = EpisodeColumns(host)
    host.append_episode(copy.deepcopy(first))
    columns.sync()
    assert_same_rows(columns, host)
    assert len(columns._steps) == 10


def test_a_repeated_episode_takes_no_memory_for_its_steps():
    host, one = empty(), shown(0)
    for _ in range(50):
        host.append_episode(one)
    assert len(EpisodeColumns(host)._steps) == 5


@pytest.mark.parametrize("steps", [1, 3])
def test_an_episode_that_continues_after_another_one_keeps_its_earlier_rows(steps):
    picker = d3rlpy.dataset.MultiStepTransitionPicker(steps, 0.9)
    host, columns = empty(picker=picker), None
    for i in range(9):
        host.append(np.full(2, i, np.float32), np.array([i], np.float32), float(i))
        if i in (2, 5):
            host.append_episode(shown(i))
        columns = columns or EpisodeColumns(host)
        columns.sync()
    host.clip_episode(True)
    columns.sync()
    assert_same_rows(columns, host)


class Listed:
    """A user's storage that creates its entries on access."""

    def __init__(self):
        self.held = []

    def append(self, episode, index):
        self.held.append([episode, index])

    @property
    def episodes(self):
        return list({id(episode): episode for episode, _ in self.held}.values())

    @property
    def transition_count(self):
        return len(self.held)

    def __getitem__(self, index):
        return tuple(self.held[index])


def test_a_custom_storage_is_followed():
    stock = dataset(steps=200)
    host = d3rlpy.dataset.ReplayBuffer(Listed(), episodes=stock.episodes)
    buffer = SyntheticReplayBuffer.wrap(host, real_ratio=1, **KWARGS)
    for k in (0, 0, -1):
        buffer.append_episode(stock.episodes[k])
        assert len(buffer.sample_transition_batch(8)) == 8
    assert_same_rows(buffer._columns, host)


def test_single_entries_in_any_order_are_followed():
    host, one = empty(), shown(0)
    for index in (3, 0, 4, 2):
        host.buffer.append(one, index)
    assert_same_rows(EpisodeColumns(host), host)


@pytest.mark.parametrize("duplicate", [lambda b: pickle.loads(pickle.dumps(b)), copy.deepcopy])
def test_a_copied_buffer_knows_its_own_episodes(duplicate):
    buffer = SyntheticReplayBuffer.wrap(dataset(steps=300), real_ratio=1, **KWARGS)
    other = duplicate(buffer)
    read = len(other._columns._steps)
    other.append_episode(other.episodes[0])
    other.sample_transition_batch(4)
    assert_same_rows(other._columns, other.dataset)
    assert len(other._columns._steps) == read


def test_an_offline_dataset_that_grows_is_followed():
    offline = dataset(steps=400)
    buffer = CFGMixedBuffer(offline, generation="none", **KWARGS)
    offline.append_episode(offline.episodes[0])
    d3rlpy.seed(0)
    assert len(buffer.sample_transition_batch(2_000)) == 2_000
    assert_same_rows(buffer._offline, offline)
