"""Pixel datasets in d3rlpy: stacks, returns and ends against a naive loop."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from d3rlpy.algos import DiscreteCQLConfig
from d3rlpy.logging import NoopAdapterFactory
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st

from synth_replay.augment import PixelAugmenter
from synth_replay.datasets import PixelEpisode, open_pixels, write_vd4rl_npz
from synth_replay.errors import ConfigError, InvalidTransitionsError, UnsupportedBufferError
from synth_replay_d3rlpy import DrQBCConfig, PixelReplayBuffer, TrunkEncoderFactory, encode_buffer, encoder_of
from tests.d3rlpy.pixels.helpers import assert_flipped_together
from tests.datasets.pixels.helpers import BOX, DISCRETE, Listed, episode_of

SMALL = TrunkEncoderFactory(feature_size=5, hidden_units=[8])


def naive(episode, t, frame_stack, n_steps, gamma):
    steps = len(episode)
    end = min(t + n_steps, steps)
    reward = sum(gamma**i * float(episode.rewards[t + i]) for i in range(end - t))

    def stack(at):
        at = min(at, len(episode.frames) - 1)
        return np.concatenate([episode.frames[max(at - back, 0)] for back in reversed(range(frame_stack))])

    return stack(t), stack(end), reward, float(episode.terminated and end == steps), end - t


@settings(max_examples=40, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 7), min_size=1, max_size=4),
    ends=st.lists(st.booleans(), min_size=4, max_size=4),
    frame_stack=st.integers(1, 3),
    n_steps=st.integers(1, 4),
)
def test_every_row_is_that_of_a_naive_loop(lengths, ends, frame_stack, n_steps):
    episodes = [
        episode_of(i, n, terminated=end, missing=end) for i, (n, end) in enumerate(zip(lengths, ends, strict=False))
    ]
    buffer = PixelReplayBuffer(episodes, frame_stack=frame_stack, n_steps=n_steps, gamma=0.9)
    assert buffer.transition_count == sum(lengths)
    row = 0
    for episode in episodes:
        for t in range(len(episode)):
            before, after, reward, end, interval = naive(episode, t, frame_stack, n_steps, 0.9)
            np.testing.assert_array_equal(buffer.stacks(buffer.observation_frames[row : row + 1])[0], before)
            np.testing.assert_array_equal(buffer.stacks(buffer.next_observation_frames[row : row + 1])[0], after)
            np.testing.assert_allclose(buffer.rewards[row], reward, rtol=1e-5)
            assert (buffer.terminations[row], buffer.intervals[row]) == (end, interval)
            np.testing.assert_array_equal(buffer.actions[row], episode.actions[t])
            row += 1


def test_encoded_rows_are_those_that_batches_hold():
    agent = DrQBCConfig(actor_encoder_factory=SMALL, critic_encoder_factory=SMALL).create("cpu")
    buffer = PixelReplayBuffer([episode_of(i, 12, size=24, terminated=bool(i)) for i in range(2)])
    agent.build_with_dataset(buffer)
    frozen = encoder_of(agent)
    latents = encode_buffer(buffer, frozen)
    rows = [0, 1, 2, 11, 12, 13, 23]
    expected = frozen.encode(buffer.stacks(buffer.observation_frames[rows]))
    held = np.concatenate([episode.observations for episode in latents.episodes])
    np.testing.assert_allclose(held[rows], expected, atol=1e-5)
    picked = buffer.transition_picker(buffer.episodes[0], 1)
    np.testing.assert_array_equal(picked.observation, buffer.stacks(buffer.observation_frames[1:2])[0])
    np.testing.assert_array_equal(picked.next_observation, buffer.stacks(buffer.next_observation_frames[1:2])[0])


def test_a_batch_has_d3rlpys_dtypes_and_shapes_and_is_augmented():
    class Inverted:
        def __call__(self, before, after):
            return 255 - before, 255 - after

    buffer = PixelReplayBuffer([episode_of(0, 40)], frame_stack=2)
    np.random.seed(0)
    plain = buffer.sample_transition_batch(64)
    buffer.augmenter = Inverted()
    np.random.seed(0)
    found = buffer.sample_transition_batch(64)
    np.testing.assert_array_equal(found.observations, 255 - plain.observations)
    np.testing.assert_array_equal(found.next_observations, 255 - plain.next_observations)
    np.testing.assert_array_equal(found.actions, plain.actions)
    assert found.observations.shape == (64, 6, 8, 8)


def test_a_whole_stack_and_its_next_one_go_through_one_draw():
    buffer = PixelReplayBuffer([episode_of(0, 40)], frame_stack=2)
    np.random.seed(0)
    plain = buffer.sample_transition_batch(64)
    buffer.augmenter = PixelAugmenter(["flip"], frame_channels=3, seed=0)
    np.random.seed(0)
    assert_flipped_together(buffer.sample_transition_batch(64), plain)


def test_a_dataset_gives_what_its_episodes_do():
    episodes = [episode_of(i, 9, terminated=bool(i), missing=i == 2) for i in range(3)]
    held, streamed = PixelReplayBuffer(episodes), PixelReplayBuffer(Listed(episodes))
    np.testing.assert_array_equal(held.frames, np.concatenate([episode.frames for episode in episodes]))
    for name in ("frames", "observation_frames", "next_observation_frames", "actions", "rewards", "terminations"):
        np.testing.assert_array_equal(getattr(held, name), getattr(streamed, name))


def test_memory_holds_the_frames_of_a_dataset_once(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (101, 3, 64, 64), np.uint8)
    steps = np.zeros((100, 2), np.float32), np.zeros(100, np.float32), True
    write_vd4rl_npz(tmp_path / "d", (PixelEpisode(noise, *steps) for _ in range(40)))
    dataset = open_pixels(tmp_path / "d")
    tracemalloc.start()
    buffer = PixelReplayBuffer(dataset)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert buffer.frames.nbytes == 40 * noise.nbytes and peak < 1.25 * buffer.frames.nbytes


@pytest.mark.parametrize("space", [BOX, DISCRETE])
def test_algorithms_of_both_kinds_of_actions_learn_from_it(space):
    dataset = Listed([episode_of(i, 30, space, terminated=True, size=24) for i in range(3)], space)
    buffer = PixelReplayBuffer(dataset, n_steps=3)
    common = {"batch_size": 8}
    if isinstance(space, spaces.Discrete):
        agent = DiscreteCQLConfig(encoder_factory=SMALL, **common).create("cpu")
    else:
        agent = DrQBCConfig(actor_encoder_factory=SMALL, critic_encoder_factory=SMALL, **common).create("cpu")
    agent.fit(buffer, n_steps=3, n_steps_per_epoch=3, show_progress=False, logger_adapter=NoopAdapterFactory())
    assert agent.impl.action_size == (15 if isinstance(space, spaces.Discrete) else 2)
    assert agent.predict(np.zeros((2, 9, 24, 24), np.uint8)).shape[0] == 2


def test_what_cannot_work_is_refused():
    with pytest.raises(InvalidTransitionsError, match="no episodes"):
        PixelReplayBuffer([])
    with pytest.raises(InvalidTransitionsError, match="one size"):
        PixelReplayBuffer([episode_of(0, 3), episode_of(0, 3, size=9)])
    with pytest.raises(ConfigError, match="n_steps"):
        PixelReplayBuffer([episode_of(0, 3)], n_steps=0)
    with pytest.raises(UnsupportedBufferError, match="open_pixels"):
        PixelReplayBuffer.load(None, None)


def test_encoded_rows_keep_n_step_returns_and_no_step_is_appended():
    buffer = PixelReplayBuffer([episode_of(0, 12, size=24)], n_steps=3, gamma=0.9)
    agent = DrQBCConfig(actor_encoder_factory=SMALL, critic_encoder_factory=SMALL).create("cpu")
    agent.build_with_dataset(buffer)
    latents = encode_buffer(buffer, encoder_of(agent))
    found = latents.transition_picker(latents.episodes[0], 4)
    assert found.interval == 3 and found.reward[0] == pytest.approx(buffer.rewards[4, 0], rel=1e-5)
    with pytest.raises(UnsupportedBufferError, match="fit_online"):
        buffer.append(None, None, None)
