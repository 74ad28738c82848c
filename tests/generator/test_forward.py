"""The forward model against systems whose law is known."""

import numpy as np
import pytest
import torch
from gymnasium import spaces

from synth_replay import Transitions, TransitionSpec
from synth_replay.generator.forward import ForwardModel
from synth_replay.generator.one_step_config import ForwardConfig

CPU = torch.device("cpu")
SMALL = ForwardConfig(members=2, width=64, steps=800)
LAW = np.array([[0.9, 0.1], [-0.2, 0.8]]), np.array([[0.5], [0.3]])
NOISE = 0.05
SPEC = TransitionSpec(spaces.Box(-9, 9, (2,)), spaces.Box(-1, 1, (1,)))


def expected(s, a):
    return s @ LAW[0].T + a @ LAW[1].T


def linear_rows(count=4000, seed=0):
    rng = np.random.default_rng(seed)
    s, a = rng.normal(size=(count, 2)), rng.uniform(-1, 1, (count, 1))
    after = expected(s, a) + NOISE * rng.normal(size=s.shape)
    return Transitions(s.astype("f4"), a.astype("f4"), np.zeros(count), after.astype("f4"), np.zeros(count, bool))


@pytest.fixture(scope="module")
def linear():
    return ForwardModel(SPEC, SMALL, CPU).fit(linear_rows(), np.random.default_rng(0))


def test_samples_have_the_mean_and_the_noise_of_the_law(linear):
    rows = linear_rows(seed=1)
    made = linear.next_observations(rows, np.random.default_rng(0))["next_observations"]
    gap = made - expected(rows.observations, rows.actions)
    assert np.abs(gap.mean(axis=0)).max() < 0.01
    assert gap.std(axis=0) == pytest.approx([NOISE, NOISE], rel=0.15)
    assert made.dtype == np.float32 and made.shape == (4000, 2)


def test_the_error_of_a_row_is_that_of_its_mean_in_the_columns_deviations(linear):
    rows, fitted = linear_rows(seed=1), linear_rows()
    deviation = (fitted.next_observations - fitted.observations).std(axis=0)
    ideal = ((rows.next_observations - expected(rows.observations, rows.actions)) / deviation) ** 2
    assert linear.errors(rows).mean() == pytest.approx(ideal.mean(), rel=0.1)
    assert linear.errors(rows[:0]).shape == (0,)


def test_predictions_stay_within_the_observed_range(linear):
    rows, fitted = linear_rows(seed=1), linear_rows()
    far = Transitions(100 * rows.observations, rows.actions, rows.rewards, rows.next_observations, rows.terminations)
    made = linear.next_observations(far, np.random.default_rng(0))["next_observations"]
    assert (made >= fitted.next_observations.min(axis=0)).all() and (made <= fitted.next_observations.max(axis=0)).all()


def test_a_fit_is_the_same_again(linear):
    again = ForwardModel(SPEC, SMALL, CPU).fit(linear_rows(), np.random.default_rng(0))
    assert np.array_equal(again.errors(linear_rows(50, 2)), linear.errors(linear_rows(50, 2)))


def test_categories_are_sampled_by_their_probabilities():
    rng, count = np.random.default_rng(0), 4000
    s, a = rng.integers(4, size=count), rng.integers(2, size=count)
    moved = np.where(a == 1, (s + 1) % 4, s)
    spec = TransitionSpec(spaces.Discrete(4, start=3), spaces.Discrete(2))
    rows = Transitions(s + 3, a, np.zeros(count), moved + 3, np.zeros(count, bool))
    made = ForwardModel(spec, SMALL, CPU).fit(rows, rng).next_observations(rows, rng)["next_observations"]
    assert (made == rows.next_observations).mean() > 0.99
    assert made.dtype == rows.observations.dtype and made.shape == (count,)


def test_dict_observations_and_whole_numbers_keep_their_layout():
    rng, count = np.random.default_rng(0), 500
    space = spaces.Dict({"level": spaces.Box(0, 9, (2,), np.int64), "key": spaces.MultiDiscrete([2, 3])})
    level, key = rng.integers(10, size=(count, 2)), rng.integers([2, 3], size=(count, 2))
    after = {"level": np.minimum(level + 1, 9), "key": key}
    spec = TransitionSpec(space, spaces.Discrete(2))
    rows = Transitions(
        {"level": level, "key": key}, rng.integers(2, size=count), np.zeros(count), after, np.zeros(count, bool)
    )
    made = ForwardModel(spec, SMALL, CPU).fit(rows, rng).next_observations(rows, rng)
    assert np.array_equal(made["next_observations/key"], key)
    assert made["next_observations/level"].dtype == np.int64
    assert np.abs(made["next_observations/level"] - after["level"]).mean() < 0.2


def test_large_offsets_keep_the_accuracy():
    rows = linear_rows()
    moved = {name: getattr(rows, name).astype(np.float64) + 1e9 for name in ("observations", "next_observations")}
    shifted = Transitions(
        moved["observations"], rows.actions, rows.rewards, moved["next_observations"], rows.terminations
    )
    spec = TransitionSpec(spaces.Box(-1e10, 1e10, (2,), np.float64), SPEC.action_space)
    model = ForwardModel(spec, SMALL, CPU).fit(shifted, np.random.default_rng(0))
    gap = model.next_observations(shifted, np.random.default_rng(0))["next_observations"] - 1e9
    assert np.std(gap - expected(rows.observations, rows.actions)) == pytest.approx(NOISE, rel=0.2)
