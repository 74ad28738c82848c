import gymnasium as gym
import numpy as np
import pandas as pd
import pytest
from sdmetrics.column_pairs import CorrelationSimilarity
from sdmetrics.single_column import KSComplement

from synth_replay import Transitions, evaluate
from synth_replay.errors import InvalidTransitionsError, SimulatorError, SpecMismatchError
from synth_replay.evaluation import (
    correlation_similarity,
    dynamics_error,
    ks_complement,
    nearest_distances,
    numeric_columns,
    set_env_state,
)
from tests.conftest import rollout


@pytest.fixture
def tables():
    rng = np.random.default_rng(0)
    real = rng.standard_normal((500, 4)) @ rng.standard_normal((4, 4))
    return real, real[:300] * 1.2 + rng.standard_normal((300, 4)) * 0.3


def test_marginals_equal_sdmetrics(tables):
    real, fake = tables
    expected = [KSComplement.compute(pd.Series(real[:, i]), pd.Series(fake[:, i])) for i in range(4)]
    np.testing.assert_allclose(ks_complement(real, fake), expected)


def test_marginals_equal_sdmetrics_with_ties():
    rng = np.random.default_rng(1)
    real, fake = rng.integers(0, 4, (200, 1)).astype(float), rng.integers(1, 5, (130, 1)).astype(float)
    assert ks_complement(real, fake)[0] == pytest.approx(
        KSComplement.compute(pd.Series(real[:, 0]), pd.Series(fake[:, 0]))
    )


def test_correlation_equals_sdmetrics(tables):
    real, fake = tables
    scores = [
        CorrelationSimilarity.compute(pd.DataFrame(real[:, [i, j]]), pd.DataFrame(fake[:, [i, j]]))
        for i in range(4)
        for j in range(i + 1, 4)
    ]
    assert correlation_similarity(real, fake) == pytest.approx(np.mean(scores))


def test_constant_columns_have_no_correlation():
    real = np.c_[np.arange(10.0), np.ones(10)]
    assert np.isnan(correlation_similarity(real, real))


def test_nearest_distances_equal_the_naive_double_loop():
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((7, 3)), rng.standard_normal((9, 3))
    naive = [min(np.linalg.norm(x - y) for y in b) for x in a]
    np.testing.assert_allclose(nearest_distances(a, b), naive)
    own = [min(np.linalg.norm(a[i] - a[j]) for j in range(7) if j != i) for i in range(7)]
    np.testing.assert_allclose(nearest_distances(a, a, skip_self=True), own)


@pytest.mark.parametrize(
    "env_id",
    [
        "Hopper-v5",
        "HalfCheetah-v5",
        "Swimmer-v5",
        "InvertedPendulum-v5",
        "CartPole-v1",
        "Acrobot-v1",
        "Pendulum-v1",
        "MountainCar-v0",
        "MountainCarContinuous-v0",
    ],
)
def test_real_transitions_have_no_dynamics_error(env_id):
    rows = rollout(env_id, 300)
    found = dynamics_error(rows, gym.make(env_id))
    assert np.median(found.next_observation) < 1e-8
    assert np.median(found.reward) < 1e-8
    if rows.terminations.any():
        assert found.precision == 1.0 and found.recall == 1.0


def test_a_velocity_that_the_observation_clips_is_not_known_to_the_simulator():
    """Walker2d and Hopper clip velocities at 10: such rows have an error even when they are real."""
    rows = rollout("Walker2d-v5", 300)
    clipped = (np.abs(rows.observations[:, 8:]) >= 10).any(axis=1)
    error = dynamics_error(rows, gym.make("Walker2d-v5")).next_observation
    assert clipped.any() and error[~clipped].max() < 1e-6 < np.median(error[clipped])


def test_wrong_next_states_rewards_and_ends_show_in_their_own_figures():
    rows = rollout("CartPole-v1", 400)
    env = gym.make("CartPole-v1")
    ends = rows.terminations.copy()
    ends[np.flatnonzero(ends)[0]] = False
    ends[np.flatnonzero(~rows.terminations)[0]] = True
    wrong = Transitions(**(rows.columns() | {"terminations": ends}))
    total = rows.terminations.sum()
    found = dynamics_error(wrong, env)
    assert found.precision == pytest.approx((total - 1) / total) == found.recall
    shift = rows.next_observations.std(axis=0)
    moved = Transitions(**(rows.columns() | {"next_observations": rows.next_observations + shift}))
    np.testing.assert_allclose(dynamics_error(moved, env).next_observation, 1.0, rtol=1e-3)


@pytest.mark.parametrize("env_id", ["Reacher-v5", "Blackjack-v1"])
def test_environments_whose_observation_is_not_their_state_are_refused(env_id):
    with pytest.raises(SimulatorError, match="set_state"):
        set_env_state(gym.make(env_id), np.zeros(3))


def test_an_environment_is_not_given_by_its_name():
    rows = rollout("CartPole-v1", 200)
    with pytest.raises(SimulatorError, match="Create one with"):
        evaluate(rows, rows, "CartPole-v1")


def test_evaluate_of_a_second_half_of_real_rows_is_near_perfect_and_finds_copies():
    rows = rollout("CartPole-v1", 4000)
    order = np.random.default_rng(0).permutation(len(rows))
    half, other = rows[order[:2000]], rows[order[2000:]]
    scores = evaluate(half, other, gym.make("CartPole-v1"))
    assert scores.marginal > 0.97 and scores.correlation > 0.98
    assert scores.dynamics_error < 1e-8 and scores.termination_recall == 1.0
    assert scores.copy_share < 0.05
    assert evaluate(half, half).copy_share == 1.0
    assert "marginal" in str(scores) and scores.to_dict()["marginals"]["rewards"] == 1.0


def test_without_an_environment_the_dynamics_figures_are_nan(pendulum):
    scores = evaluate(pendulum[:300], pendulum[300:])
    assert np.isnan(scores.dynamics_error) and np.isnan(scores.termination_precision)


def test_bad_input_to_evaluate_is_refused(pendulum, cartpole):
    with pytest.raises(SpecMismatchError):
        evaluate(pendulum, cartpole)
    with pytest.raises(InvalidTransitionsError):
        evaluate(pendulum, pendulum[:0])
    broken = pendulum.map(np.copy)
    broken.rewards[0] = np.inf
    with pytest.raises(InvalidTransitionsError):
        evaluate(pendulum, broken)


def test_flags_are_not_compared_as_numbers(pendulum):
    assert not any("termin" in name or "trunc" in name for name in numeric_columns(pendulum)[1])
