"""Observations, actions and rewards of booleans and whole numbers work in every kind of buffer."""

from __future__ import annotations

import numpy as np
import pytest
from gymnasium import spaces

from synth_replay.errors import UnsupportedSpaceError
from synth_replay_d3rlpy import CFGMixedBuffer, SyntheticReplayBuffer, infer_spaces, to_transitions
from tests.d3rlpy.helpers import KWARGS, ActionSpace, d3rlpy

ROWS = 400
RNG = np.random.default_rng(0)
FLOATS = RNG.normal(size=(ROWS, 3)).astype(np.float32)
ACTIONS = RNG.uniform(-1, 1, (ROWS, 2)).astype(np.float32)
BOOLS = RNG.random((ROWS, 5)) < 0.5


def data(observations=FLOATS, actions=ACTIONS, rewards=FLOATS[:, 0], **kwargs):
    ends = np.arange(ROWS) % 20 == 19
    return d3rlpy.dataset.MDPDataset(observations, actions, rewards, ends, **kwargs)


def parts():
    """Episodes whose observations have two parts, one of them a mask."""
    made = [
        d3rlpy.dataset.Episode(
            [FLOATS[i : i + 20], BOOLS[i : i + 20]], ACTIONS[i : i + 20], FLOATS[i : i + 20, :1], True
        )
        for i in range(0, ROWS, 20)
    ]
    return d3rlpy.dataset.create_infinite_replay_buffer(made)


def online(offline):
    """A mixed buffer past its first online episodes."""
    buffer = CFGMixedBuffer(offline, refresh_every=200, **KWARGS)
    for episode in offline.episodes[:11]:
        for i in range(20):
            seen = episode.observations
            buffer.append([a[i] for a in seen] if isinstance(seen, list) else seen[i], episode.actions[i], 1.0)
        buffer.clip_episode(True)
    return buffer


@pytest.mark.parametrize(
    "buffer",
    [lambda d: SyntheticReplayBuffer.wrap(d, **KWARGS), lambda d: CFGMixedBuffer(d, **KWARGS), online],
    ids=["wrapped", "offline", "online"],
)
@pytest.mark.parametrize("make", [lambda: data(BOOLS), lambda: data(BOOLS.reshape(ROWS, 1, 5)), parts])
def test_generated_booleans_are_zero_or_one(buffer, make):
    made = buffer(make())
    made.engine.request_refresh()
    batch, stock = made.sample_transition_batch(90), make().sample_transition_batch(90)
    assert made.stats.rows > 0 and made.stats.real_share < 1
    for name in ("observations", "next_observations"):
        ours, theirs = getattr(batch, name), getattr(stock, name)
        pairs = zip(ours, theirs, strict=True) if isinstance(ours, list) else [(ours, theirs)]
        for a, b in pairs:
            assert a.shape == b.shape and a.dtype == b.dtype
            assert set(np.unique(a)) <= {0, 1} or not set(np.unique(b)) <= {0, 1}


def test_the_space_of_booleans_is_multi_binary():
    assert infer_spaces(data(BOOLS))[0] == spaces.MultiBinary((5,))
    assert to_transitions(data(BOOLS)).observations.dtype == np.float32


def test_with_a_real_ratio_of_one_booleans_are_those_of_the_stock_buffer():
    stock = data(BOOLS)
    buffer = SyntheticReplayBuffer.wrap(stock, real_ratio=1, **KWARGS)
    d3rlpy.seed(3)
    ours = buffer.sample_transition_batch(40)
    d3rlpy.seed(3)
    np.testing.assert_array_equal(ours.observations, stock.sample_transition_batch(40).observations)


@pytest.mark.parametrize("rewards", [BOOLS[:, 0], RNG.integers(0, 5, ROWS), RNG.integers(0, 2, ROWS).astype(np.uint8)])
def test_rewards_may_be_booleans_or_whole_numbers(rewards):
    buffer = SyntheticReplayBuffer.wrap(data(rewards=rewards), **KWARGS)
    batch = buffer.sample_transition_batch(32)
    assert batch.rewards.dtype == np.float32 and np.isfinite(batch.rewards).all() and buffer.stats.rows


@pytest.mark.parametrize("kind", [bool, np.int64, np.uint8])
def test_actions_may_be_booleans_or_whole_numbers(kind):
    discrete = SyntheticReplayBuffer.wrap(data(actions=BOOLS[:, :1].astype(kind)), **KWARGS)
    assert set(np.unique(discrete.sample_transition_batch(64).actions)) <= {0, 1}
    named = {"action_space": ActionSpace.CONTINUOUS, "action_size": 2}
    continuous = SyntheticReplayBuffer.wrap(data(actions=BOOLS[:, :2].astype(kind), **named), **KWARGS)
    assert continuous.action_space == spaces.Box(-1, 1, (2,))
    assert np.abs(continuous.sample_transition_batch(64).actions).max() <= 1


def test_images_of_booleans_are_refused_by_name():
    pictures = RNG.random((ROWS, 1, 64, 64)) < 0.5
    for make in (SyntheticReplayBuffer.wrap, CFGMixedBuffer):
        buffer = make(data(pictures), **KWARGS)
        buffer.engine.request_refresh()
        with pytest.raises(UnsupportedSpaceError, match="categories"):
            buffer.sample_transition_batch(4)
