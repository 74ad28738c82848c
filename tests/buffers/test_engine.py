import pickle
from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth_replay import TransitionGenerator
from synth_replay.buffers.generated_share import check_ratio
from synth_replay.buffers.mixing import apportion
from synth_replay.buffers.refresh import RefreshClock, RefreshConfig
from synth_replay.buffers.store import ColumnStore
from synth_replay.buffers.synthetic import SyntheticReplayBuffer
from synth_replay.errors import ConfigError, InvalidTransitionsError, SpecMismatchError
from tests.conftest import TINY, rollout


@settings(max_examples=200)
@given(
    batch=st.integers(0, 5000),
    shares=st.lists(st.floats(0, 10), min_size=1, max_size=5).filter(lambda s: sum(s) > 0.01),
)
def test_counts_add_up_and_each_is_within_one_row_of_its_share(batch, shares):
    counts = apportion(batch, tuple(shares))
    assert sum(counts) == batch
    for count, share in zip(counts, shares, strict=True):
        assert abs(count - batch * share / sum(shares)) < 1 + 1e-6


@pytest.mark.parametrize(("ratio", "real"), [(0.0, 0), (0.5, 128), (1.0, 256), (0.1, 26), (1 / 3, 85)])
def test_known_counts(ratio, real):
    assert apportion(256, (ratio, 1 - ratio))[0] == real


def test_a_tie_goes_to_the_first_source():
    assert apportion(1, (0.5, 0.5)) == (1, 0)
    assert apportion(255, (0.5, 0.5)) == (128, 127)


@pytest.mark.parametrize("ratio", [-0.1, 1.1, float("nan"), "half", True, None])
def test_a_ratio_outside_zero_and_one_is_refused(ratio):
    with pytest.raises(ConfigError, match="real_ratio"):
        check_ratio("real_ratio", ratio)


def test_shares_that_sum_to_nothing_are_refused():
    with pytest.raises(ConfigError):
        apportion(10, (0.0, 0.0))


@settings(max_examples=100)
@given(capacity=st.integers(1, 20), sizes=st.lists(st.integers(1, 30), min_size=1, max_size=8))
def test_a_ring_equals_the_tail_of_a_list(capacity, sizes):
    store, naive, start = ColumnStore(capacity), [], 0
    for size in sizes:
        store.add({"x": np.arange(start, start + size, dtype=np.float64), "y": np.zeros((size, 2))})
        naive = (naive + list(range(start, start + size)))[-capacity:]
        start += size
    assert store.rows()["x"].tolist() == naive
    assert len(store) == len(naive)
    assert sorted(store.gather(np.arange(len(store)))["x"].tolist()) == sorted(naive)


def test_a_store_holds_float32_int32_and_bool_and_no_more_memory_than_its_rows():
    store = ColumnStore(1000)
    store.add({"f": np.zeros((10, 3)), "i": np.zeros(10, np.int64), "b": np.zeros(10, bool)})
    held = store.rows()
    assert [held[k].dtype for k in "fib"] == [np.float32, np.int32, bool]
    assert store.nbytes == 10 * (12 + 4 + 1)
    store.add({"f": np.zeros((2000, 3)), "i": np.zeros(2000, np.int64), "b": np.zeros(2000, bool)})
    assert store.nbytes == 1000 * 17


def test_replace_keeps_the_last_rows_that_fit():
    store = ColumnStore(5)
    store.replace({"x": np.arange(8.0)})
    assert store.rows()["x"].tolist() == [3, 4, 5, 6, 7] and store.full
    store.replace({"x": np.arange(3.0)})
    assert store.rows()["x"].tolist() == [0, 1, 2] and len(store) == 3


@pytest.mark.parametrize("capacity", [0, -1, 2.5, True])
def test_a_capacity_below_one_is_refused(capacity):
    with pytest.raises(ConfigError, match="at least 1"):
        ColumnStore(capacity)


def test_a_refresh_is_due_every_k_steps_and_on_request():
    clock = RefreshClock(10)
    due = []
    for _ in range(30):
        clock.tick()
        due.append(clock.due)
        if clock.due:
            clock.done(succeeded=True)
    assert [i + 1 for i, d in enumerate(due) if d] == [10, 20, 30]
    clock.request()
    assert clock.due


@pytest.mark.parametrize("bad", [{"every": 0}, {"every": 1.5}, {"refit": "hot"}, {"steps": 0}])
def test_refresh_settings_that_make_no_sense_are_refused(bad):
    with pytest.raises(ConfigError):
        RefreshConfig(**bad)


# -- the plain Gymnasium buffer -------------------------------------------------------------


def make(env_id="Pendulum-v1", **kwargs):
    env = gym.make(env_id)
    defaults = {"generator": TINY, "refresh_every": 200, "seed": 0}
    return SyntheticReplayBuffer(1000, env.observation_space, env.action_space, **(defaults | kwargs))


def feed(buffer, rows):
    for i in range(len(rows)):
        buffer.add(
            rows.observations[i],
            rows.actions[i],
            rows.rewards[i],
            rows.next_observations[i],
            rows.terminations[i],
            rows.truncations[i],
        )


def real_mask(batch, rows):
    known = {row.tobytes() for row in rows.observations}
    return np.array([row.tobytes() in known for row in batch.observations])


@pytest.mark.parametrize("env_id", ["Pendulum-v1", "CartPole-v1"])
@pytest.mark.parametrize(("ratio", "expected"), [(0.0, 0), (0.3, 30), (0.5, 50)])
def test_a_gymnasium_loop_gets_exact_shuffled_counts_after_a_refresh(env_id, ratio, expected):
    rows, buffer = rollout(env_id, 250), make(env_id, real_ratio=ratio)
    feed(buffer, rows[:199])
    assert real_mask(buffer.sample(100), rows).all() and buffer.stats.refreshes == 0
    feed(buffer, rows[199:])
    batch = buffer.sample(100)
    real = real_mask(batch, rows)
    assert buffer.stats.refreshes == 1 and real.sum() == expected
    assert batch.actions.dtype == rows.actions.dtype and batch.observations.dtype == rows.observations.dtype
    if expected:
        assert 0 < real[:50].sum() < expected or 0 < real[50:].sum() < expected
    assert buffer.stats.real_share == pytest.approx(expected / 100)


def test_refreshes_come_every_k_steps_and_replace_the_store():
    rows, buffer = rollout("Pendulum-v1", 650), make()
    refreshes = []
    for i in range(0, 650, 10):
        feed(buffer, rows[i : i + 10])
        buffer.sample(4)
        refreshes.append(buffer.stats.refreshes)
    assert refreshes[18] == 0 and refreshes[19] == 1 and refreshes[39] == 2 and refreshes[-1] == 3
    assert buffer.stats.rows == TINY.store_rows and buffer.stats.age == 50
    assert 0 < buffer.stats.marginal < 1 and buffer.stats.refresh_seconds > 0
    assert set(buffer.stats.to_dict()) >= {"denoising_loss", "real_share", "age", "refresh_seconds", "marginal"}


def test_vector_environments_add_several_rows_at_once():
    rows, buffer = rollout("Pendulum-v1", 300), make()
    for i in range(0, 300, 3):
        part = rows[i : i + 3]
        buffer.add(
            part.observations, part.actions, part.rewards, part.next_observations, part.terminations, part.truncations
        )
    assert len(buffer) == 300 and buffer.engine.steps == 300
    np.testing.assert_array_equal(buffer.transitions().observations, rows.observations)


def test_a_real_ratio_of_one_never_fits():
    rows, buffer = rollout("Pendulum-v1", 500), make(real_ratio=1.0)
    feed(buffer, rows)
    assert real_mask(buffer.sample(64), rows).all()
    assert not buffer.engine.generator.fitted


def test_an_offline_dataset_is_fitted_at_the_first_sample(pendulum):
    buffer = make(refresh_every=10_000)
    buffer.extend(pendulum)
    buffer.sample(8)
    assert buffer.stats.refreshes == 1
    with pytest.raises(SpecMismatchError):
        buffer.extend(rollout("CartPole-v1"))


def test_a_saved_generator_fills_the_store_before_the_first_batch(pendulum, tmp_path):
    env = gym.make("Pendulum-v1")
    TransitionGenerator(env.observation_space, env.action_space, TINY, seed=0).fit(pendulum).save(tmp_path)
    buffer = make(generator=tmp_path)
    feed(buffer, pendulum[:20])
    assert real_mask(buffer.sample(40), pendulum).sum() == 20
    with pytest.raises(SpecMismatchError):
        make("CartPole-v1", generator=tmp_path)


def test_a_pickled_buffer_goes_on_where_it_stopped(pendulum):
    buffer = make()
    feed(buffer, pendulum[:250])
    buffer.sample(10)
    other = pickle.loads(pickle.dumps(buffer))
    for _ in range(3):
        a, b = buffer.sample(32), other.sample(32)
        np.testing.assert_array_equal(a.observations, b.observations)
    feed(buffer, pendulum[250:450])
    feed(other, pendulum[250:450])
    np.testing.assert_array_equal(buffer.sample(32).rewards, other.sample(32).rewards)
    assert other.stats.refreshes == 2


def test_warm_refits_start_from_the_last_weights(pendulum):
    config = replace(TINY, training=replace(TINY.training, steps=150, learning_rate=3e-3))
    losses = {}
    for refit in ("warm", "scratch"):
        buffer = make(refit=refit, generator=config)
        feed(buffer, pendulum[:200])
        buffer.sample(4)
        feed(buffer, pendulum[200:400])
        buffer.sample(4)
        losses[refit] = buffer.engine.generator.history[0]["holdout_loss"]
    assert losses["warm"] < losses["scratch"]


def test_a_diverging_refit_warns_and_keeps_the_last_good_generator(pendulum):
    buffer = make()
    feed(buffer, pendulum[:200])
    buffer.sample(4)
    good = buffer.engine.generator.holdout_loss
    training = replace(TINY.training, learning_rate=1e30, clip_norm=1e30, steps=200)
    buffer.engine.generator.config = replace(TINY, training=training)
    feed(buffer, pendulum[200:400])
    with pytest.warns(UserWarning, match="A refit failed"):
        batch = buffer.sample(10)
    assert len(batch) == 10 and buffer.engine.generator.holdout_loss == good
    assert buffer.stats.failed_refreshes == 1 and "learning_rate" in (buffer.stats.last_error or "")
    buffer.sample(10)  # waits for the next turn instead of failing at every batch


def test_ctrl_c_during_a_refit_leaves_the_buffer_usable(pendulum, monkeypatch):
    from synth_replay.diffusion import DenoiserTrainer

    buffer = make()
    feed(buffer, pendulum[:250])

    def interrupt(self, count, on_step):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(DenoiserTrainer, "_train", interrupt)
        buffer.sample(10)
    assert len(buffer) == 250 and buffer.stats.refreshes == 0
    assert len(buffer.sample(10)) == 10 and buffer.stats.refreshes == 1


def test_nan_is_refused_as_it_is_stored_and_nothing_is_lost(pendulum):
    buffer = make()
    feed(buffer, pendulum[:199])
    good = (pendulum.observations[0], pendulum.actions[0], 1.0, pendulum.observations[1], False)
    for place, name in ((0, "observation"), (1, "action"), (2, "reward"), (3, "next observation")):
        bad = [value * np.nan if i == place else value for i, value in enumerate(good)]
        match = rf"The {name} of environment 0 is nan at environment step 200 \(position 199"
        with pytest.raises(InvalidTransitionsError, match=match):
            buffer.add(*bad)
    assert len(buffer) == buffer.engine.steps == 199
    buffer.add(*good)
    buffer.sample(8)
    assert buffer.stats.refreshes == 1


def test_a_buffer_of_real_rows_alone_stores_whatever_it_is_given(pendulum):
    buffer = make(real_ratio=1.0)
    buffer.add(pendulum.observations[0], pendulum.actions[0], float("nan"), pendulum.observations[1], False)
    assert np.isnan(buffer.sample(4).rewards).all()


def test_too_few_rows_wait_and_an_empty_buffer_says_so(pendulum):
    buffer = make(refresh_every=10)
    with pytest.raises(InvalidTransitionsError, match="empty"):
        buffer.sample(4)
    feed(buffer, pendulum[:50])
    assert real_mask(buffer.sample(20), pendulum).all()
    feed(buffer, pendulum[50:100])
    buffer.sample(20)
    assert buffer.stats.refreshes == 1


@pytest.mark.parametrize(
    "bad", [{"real_ratio": 1.5}, {"refresh_every": 0}, {"store_rows": 0}, {"generator": "huge"}, {"refit": "x"}]
)
def test_bad_arguments_fail_in_the_constructor(bad):
    with pytest.raises(ConfigError):
        make(**bad)
