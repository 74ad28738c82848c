import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth_replay.errors import InvalidTransitionsError
from synth_replay_d3rlpy import SyntheticReplayBuffer, to_transitions
from synth_replay_d3rlpy.columns import EpisodeColumns
from tests.d3rlpy.helpers import KWARGS, ActionSpace, d3rlpy, dataset

Episode, Signature = d3rlpy.dataset.components.Episode, d3rlpy.dataset.Signature
PICKERS = {
    "basic": d3rlpy.dataset.BasicTransitionPicker(),
    "3 steps": d3rlpy.dataset.MultiStepTransitionPicker(3, 0.9),
    "10 steps": d3rlpy.dataset.MultiStepTransitionPicker(10, 0.99),
    "sparse": d3rlpy.dataset.SparseRewardTransitionPicker(-1.0),
}


def empty(limit=None, kinds=1, picker=None):
    """A buffer for online use, of two observation numbers and one action number."""
    buffer = d3rlpy.dataset.InfiniteBuffer() if limit is None else d3rlpy.dataset.FIFOBuffer(limit)
    float_ = np.dtype(np.float32)
    return d3rlpy.dataset.ReplayBuffer(
        buffer,
        transition_picker=picker,
        observation_signature=Signature([float_] * kinds, [(2,)] * kinds),
        action_signature=Signature([float_], [(1,)]),
        reward_signature=Signature([float_], [(1,)]),
        action_space=ActionSpace.CONTINUOUS,
        action_size=1,
        cache_size=64,
    )


def assert_same_rows(columns, host):
    """Every transition, against d3rlpy's own picker on its own ``buffer[k]``."""
    count = host.transition_count
    assert len(columns) == count
    if not count:
        return
    expected = d3rlpy.dataset.TransitionMiniBatch.from_transitions(
        [host.transition_picker(*host.buffer[k]) for k in range(count)]
    )
    found = columns.layout.batch(columns.pick(np.arange(count)), [])
    for name in ("actions", "rewards", "next_actions", "terminals", "intervals"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), err_msg=name)
    for name in ("observations", "next_observations"):
        a, b = getattr(found, name), getattr(expected, name)
        for x, y in zip(*([v] if isinstance(v, np.ndarray) else v for v in (a, b)), strict=True):
            np.testing.assert_array_equal(x, y, err_msg=name)


@pytest.mark.parametrize("picker", PICKERS.values(), ids=PICKERS)
@pytest.mark.parametrize("env_id", ["CartPole-v1", "Pendulum-v1"])
def test_rows_equal_those_that_d3rlpy_picks(env_id, picker):
    data = dataset(env_id, transition_picker=picker)
    assert_same_rows(EpisodeColumns(data), data)


@given(
    events=st.lists(
        st.sampled_from(["step", "step", "step", "step", "end", "cut", "episode", "again", "look"]), max_size=60
    ),
    limit=st.sampled_from([None, 5, 17]),
    picker=st.sampled_from(["basic", "3 steps"]),
)
@settings(max_examples=60, deadline=None)
def test_a_buffer_that_grows_and_forgets_is_followed_row_by_row(events, limit, picker):
    host = empty(limit, picker=PICKERS[picker])
    columns, count, open_steps, shown = EpisodeColumns(host), 0, 0, []
    for event in events:
        if event == "step" and open_steps < 60:
            host.append(np.full(2, count, np.float32), np.array([count], np.float32), float(count))
            count, open_steps = count + 1, open_steps + 1
        elif event in ("end", "cut") and open_steps > 1:  # d3rlpy ignores the end of a one-step episode
            host.clip_episode(event == "end")
            open_steps = 0
        elif event == "episode" and not open_steps:
            values = np.arange(count, count + 4, dtype=np.float32)[:, None]
            shown.append(Episode(np.repeat(values, 2, 1), values, values, terminated=True))
            host.append_episode(shown[-1])
            count += 4
        elif event == "again" and shown:  # also while another one is running
            host.append_episode(shown[count % len(shown)])
        elif event == "look":
            columns.sync()
            assert_same_rows(columns, host)
    columns.sync()
    assert_same_rows(columns, host)


def test_a_long_run_forgets_old_steps_in_memory_too(monkeypatch):
    monkeypatch.setattr("synth_replay_d3rlpy.columns.SPARE_ROWS", 20)
    host = empty(10)
    columns = EpisodeColumns(host)
    for i in range(500):
        host.append(np.full(2, i, np.float32), np.array([i], np.float32), float(i))
        if i % 7 == 6:
            host.clip_episode(True)
        columns.sync()
    assert_same_rows(columns, host)
    assert len(columns._steps) < 60


def test_several_kinds_of_observations_are_kept_apart():
    host = empty(kinds=2)
    for i in range(5):
        host.append([np.full(2, i, np.float32), np.full(2, -i, np.float32)], np.array([i], np.float32), 1.0)
    host.clip_episode(True)
    columns = EpisodeColumns(host)
    assert_same_rows(columns, host)
    rows = to_transitions(host)
    assert set(rows.observations) == {"0", "1"} and (rows.observations["1"] <= 0).all()


def test_a_picker_of_the_users_own_is_called_row_by_row():
    class Doubled(d3rlpy.dataset.BasicTransitionPicker):
        def __call__(self, episode, index):
            found = super().__call__(episode, index)
            return type(found)(**(vars(found) | {"reward": 2 * found.reward}))

    data = dataset(steps=400, transition_picker=Doubled())
    assert_same_rows(EpisodeColumns(data), data)


def test_returns_to_go_equal_a_naive_sum():
    data = dataset("CartPole-v1", 200)
    naive = [
        sum(0.9**j * r for j, r in enumerate(episode.rewards[i:, 0]))
        for episode in data.episodes
        for i in range(episode.transition_count)
    ]
    np.testing.assert_allclose(EpisodeColumns(data).returns_to_go(0.9), naive, rtol=1e-6)


def test_an_end_keeps_its_last_observation_for_the_fit_instead_of_zeros():
    data = dataset("CartPole-v1")
    rows = to_transitions(data)
    assert len(rows) == data.transition_count and rows.terminations.any()
    np.testing.assert_array_equal(rows.next_observations[rows.terminations], rows.observations[rows.terminations])
    assert rows.actions.dtype == np.int64 and rows.actions.ndim == 1


def test_n_step_rows_carry_their_intervals():
    rows = to_transitions(dataset("CartPole-v1", transition_picker=PICKERS["3 steps"]))
    assert set(rows.intervals) == {1, 2, 3}


def test_no_rows_are_refused():
    with pytest.raises(InvalidTransitionsError, match="no complete transition"):
        EpisodeColumns(empty()).columns()


def test_a_batch_needs_memory_for_its_own_rows_and_not_for_the_dataset():
    buffer = SyntheticReplayBuffer.wrap(dataset(steps=20_000), real_ratio=1.0, **KWARGS)
    buffer.sample_transition_batch(32)
    tracemalloc.start()
    buffer.sample_transition_batch(32)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 50_000  # the dataset's float32 columns take 640,000
