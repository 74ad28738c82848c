"""Episodes of frames, their stacked transitions, and what is made of them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth_replay.datasets.pixels.episode import PixelEpisode, stack_transitions
from synth_replay.errors import (
    ConfigError,
    DatasetError,
    DatasetFormatError,
    InvalidTransitionsError,
)
from tests.datasets.pixels.helpers import (
    BOX,
    SIZE,
    Listed,
    action_of,
    assert_episodes,
    assert_transitions,
    episode_of,
    frame_of,
    reward_of,
)

shapes = st.lists(
    st.tuples(st.integers(1, 9), st.sampled_from(["cut", "terminated", "missing"])), min_size=1, max_size=6
)


def episodes_of(drawn, space=BOX):
    return [
        episode_of(i, steps, space, kind != "cut", missing=kind == "missing") for i, (steps, kind) in enumerate(drawn)
    ]


@settings(max_examples=40, deadline=None)
@given(shapes, st.integers(1, 12), st.integers(1, 4))
def test_transitions_are_those_of_a_naive_loop(drawn, rows, frame_stack):
    episodes = episodes_of(drawn)
    chunks = list(stack_transitions(episodes, rows, frame_stack))
    assert [len(chunk) for chunk in chunks[:-1]] == [rows] * (len(chunks) - 1)
    assert_transitions(chunks, episodes, frame_stack)


def test_a_stack_starts_with_repeats_of_the_first_frame_and_stays_in_its_episode():
    rows = next(stack_transitions([episode_of(0, 4), episode_of(1, 4)], frame_stack=3))
    steps = [[frame[1, 3, 3] for frame in stack.reshape(3, 3, SIZE, SIZE)] for stack in rows.observations]
    assert steps == [[0, 0, 0], [0, 0, 1], [0, 1, 2], [1, 2, 3]] * 2
    owners = [{frame[0, 3, 3] for frame in stack.reshape(3, 3, SIZE, SIZE)} for stack in rows.next_observations]
    assert owners == [{0}] * 4 + [{1}] * 4


def test_without_a_frame_after_the_end_the_next_observation_is_the_observation():
    rows = next(stack_transitions([episode_of(0, 5, terminated=True, missing=True)]))
    np.testing.assert_array_equal(rows.next_observations[-1], rows.observations[-1])
    assert rows.terminations.tolist() == [False] * 4 + [True] and not rows.truncations.any()


def test_whole_floats_are_pixels_and_columns_of_one_are_scalars():
    frames = np.stack([frame_of(0, t) for t in range(3)])
    episode = PixelEpisode(frames.astype(np.float32), np.zeros((2, 2)), [[1], [2]], False)
    np.testing.assert_array_equal(episode.frames, frames)
    assert episode.frames.dtype == np.uint8 and episode.actions.dtype == np.float32
    assert episode.rewards.tolist() == [1, 2] and episode.rewards.dtype == np.float32


GOOD = {"frames": np.zeros((3, 3, 8, 8), np.uint8), "actions": np.zeros((2, 2)), "rewards": np.zeros(2)}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"frames": np.zeros((3, 8, 8, 3), np.uint8)}, "the channels come last, so transpose"),
        ({"frames": np.zeros((3, 8, 8), np.uint8)}, "need the shape"),
        ({"frames": np.zeros((3, 9, 8, 8), np.uint8)}, "1 or 3 channels"),
        ({"frames": np.full((3, 3, 8, 8), 255.5)}, "range from 255.5 to 255.5"),
        ({"frames": np.full((3, 3, 8, 8), -1.0)}, "range from -1.0"),
        ({"frames": np.full((3, 3, 8, 8), np.nan)}, "range from nan"),
        ({"frames": np.full((3, 3, 8, 8), 0.5)}, "Multiply scaled frames by 255"),
        ({"frames": np.zeros((3, 3, 8, 8), bool)}, "hold bool values"),
        ({"frames": np.zeros((2, 3, 8, 8), np.uint8)}, "2 steps need 3 frames"),
        ({"frames": np.zeros((4, 3, 8, 8), np.uint8), "terminated": True}, "2 steps need 3 frames"),
        ({"actions": np.zeros((3, 2))}, "as many actions: 3"),
        ({"actions": np.full((2, 2), np.nan)}, "Actions hold 4 values that are NaN"),
        ({"actions": np.array(["a", "b"])}, "array of numbers"),
        ({"rewards": np.array([0, np.inf])}, "Rewards hold 1 values"),
        ({"rewards": np.zeros((2, 2))}, "one number per step"),
        ({"frames": GOOD["frames"][:1], "actions": np.zeros((0, 2)), "rewards": []}, "at least 1 step"),
    ],
)
def test_an_episode_that_does_not_fit_together_is_refused(changed, said):
    PixelEpisode(**GOOD, terminated=False)
    with pytest.raises(InvalidTransitionsError, match=said):
        PixelEpisode(**(GOOD | {"terminated": False} | changed))


def test_stacks_of_no_frames_and_chunks_of_no_rows_are_refused_before_anything_is_read():
    def unread():
        raise AssertionError
        yield

    with pytest.raises(ConfigError, match="frame_stack must be at least 1"):
        stack_transitions(unread(), frame_stack=0)
    with pytest.raises(ConfigError, match="rows must be at least 1"):
        stack_transitions(unread(), rows=0)


def test_episodes_of_different_frames_do_not_become_one_stream():
    with pytest.raises(DatasetFormatError, match="observations mix types"):
        list(stack_transitions([episode_of(0, 2), episode_of(1, 2, size=9)]))


def test_episodes_are_read_by_number_in_the_given_order():
    dataset = Listed(episode_of(i, i + 1) for i in range(4))
    assert_episodes(dataset.episodes([3, 1, 1]), [dataset.held[i] for i in (3, 1, 1)])
    assert len(dataset) == 10 and dataset.lengths.tolist() == [1, 2, 3, 4]
    with pytest.raises(DatasetError, match="has 4 episodes, from 0 on; there is no 4"):
        dataset.episodes([0, 4])
    with pytest.raises(DatasetError, match="there is no -1"):
        dataset.episodes([-1])


def test_rewards_and_actions_stay_beside_the_frame_before_them():
    rows = next(stack_transitions([episode_of(7, 6)], frame_stack=1))
    for t in range(6):
        np.testing.assert_array_equal(rows.observations[t], frame_of(7, t))
        np.testing.assert_array_equal(rows.next_observations[t], frame_of(7, t + 1))
        np.testing.assert_array_equal(rows.actions[t], action_of(7, t))
        assert rows.rewards[t] == reward_of(7, t)
