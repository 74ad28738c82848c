"""Verdicts on real rows that were spoilt in one way; nothing is drawn."""

import gymnasium as gym
import numpy as np
import pytest

from synth_replay.report import page, write_report
from tests.conftest import rollout
from tests.report.helpers import changed, halves


@pytest.fixture(autouse=True)
def undrawn(monkeypatch):
    monkeypatch.setattr(page, "render", lambda *_, **__: ("", {}))


@pytest.fixture
def rows():
    return halves(rollout("CartPole-v1", 2400))


def report(path, real, synthetic, **options):
    return write_report(path / "report.html", real, synthetic, **options)


def test_a_half_of_real_rows_is_good_enough_for_the_other_half(tmp_path):
    real, others = halves(rollout("CartPole-v1", 3600))
    made, held = others[:800], others[800:]
    verdict = report(tmp_path, real[:1000], made, holdout=held, env=gym.make("CartPole-v1"))
    assert verdict.good and verdict.headline == "Good enough to train on", verdict.problems
    few = report(tmp_path, real[:1000], made, holdout=held[:250], env=gym.make("CartPole-v1"))
    assert few["holdout"].outcome == "warn" and "250 held-out rows are too few" in few["holdout"].sentence
    none = report(tmp_path, real, made)
    assert none.level == "fair" and "No rows were held out" in none["holdout"].sentence


def test_shuffled_rewards_are_named_even_without_a_simulator(tmp_path):
    a, b = halves(rollout("Pendulum-v1"))
    told = report(tmp_path, a, changed(b, rewards=np.random.default_rng(0).permutation(b.rewards)))
    assert not told.good and any("Rewards look wrong" in problem for problem in told.problems)
    assert told["marginal"].passed and told["worst_pair"].outcome == "fail"


def test_ends_that_are_forgotten_are_named(tmp_path, rows):
    real, synthetic = rows
    ends = synthetic.terminations.copy()
    ends[np.flatnonzero(ends)[5:]] = False
    told = report(tmp_path, real, changed(synthetic, terminations=ends), env=gym.make("CartPole-v1"))
    assert "Terminations look wrong: there are too few" in told["termination_rate"].sentence
    assert told["termination_rate"].passed is False
    none = report(tmp_path, real, changed(synthetic, terminations=np.zeros_like(ends)), env=gym.make("CartPole-v1"))
    assert none["termination_recall"].outcome == "fail" and none["termination_precision"].passed is None


def test_copies_are_named(tmp_path, rows):
    real, fresh = rows
    told = report(tmp_path, real, real[np.arange(500)], holdout=fresh)
    assert told["copies"].value == 1.0 and "Rows look copied: 100.0%" in told["copies"].sentence
    assert not told.good


def test_a_simulator_that_cannot_be_set_is_said_and_not_counted(tmp_path):
    a, b = halves(rollout("Reacher-v5", 200))
    told = report(tmp_path, a, b, env=gym.make("Reacher-v5"))
    assert told["dynamics_error"].outcome == "not measured"
    assert "cannot be set to the state" in told["dynamics_error"].sentence


def test_a_state_setter_of_ones_own_is_used(tmp_path, rows):
    asked = []

    def setter(env, observation):
        asked.append(observation)
        env.state, env.steps_beyond_terminated = tuple(map(float, observation)), None

    told = report(tmp_path, *rows, env=gym.make("CartPole-v1"), set_state=setter)
    assert asked and told["dynamics_error"].passed


def without(rows, at, **columns):
    """Returns a copy of the rows in which each named function has changed its column at the indices ``at``."""
    made = rows.map(np.copy)
    for name, change in columns.items():
        getattr(made, name)[at] = change(getattr(made, name)[at])
    return made


def test_rewards_beyond_the_data_are_named_with_their_range(tmp_path):
    real, made = halves(rollout("Pendulum-v1", 1600))
    low, high = real.rewards.min(), real.rewards.max()
    told = report(tmp_path, real, without(made, slice(0, 80, 1), rewards=lambda r: 0 * r + 0.11))
    assert told["range"].outcome == "fail" and told.level == "bad"
    assert told["range"].sentence == (
        "Rewards look wrong: "
        + f"{(told['range'].value):.2%} of the values of rewards lie outside, as far as 0.11; "
        + f"real ones lie between {low:.4g} and {high:.4g}."
    )
    few = report(tmp_path, real, without(made, slice(0, 12, 1), rewards=lambda r: 0 * r + 0.11))
    assert few["range"].outcome == "warn"


@pytest.mark.parametrize("column", ["observations", "next_observations"])
def test_pairs_off_the_circle_are_named_even_if_each_value_is_in_its_range(tmp_path, column):
    real, made = halves(rollout("Pendulum-v1", 1600))
    shrunk = without(made, np.arange(0, 800, 4), **{column: lambda x: x * np.array([0.6, 0.6, 1], x.dtype)})
    fine, told = report(tmp_path, real, made), report(tmp_path, real, shrunk)
    assert fine["support"].passed and fine["range"].passed and told["range"].passed
    assert told["support"].outcome == "fail"
    assert told["support"].sentence.startswith(column.capitalize().replace("_", " ") + " look wrong")


def test_a_float64_offset_does_not_hide_that_values_leave_their_range(tmp_path):
    real, made = (
        changed(r, observations=r.observations.astype(np.float64) + 1e8) for r in halves(rollout("Pendulum-v1"))
    )
    told = report(tmp_path, real, without(made, slice(0, 60), observations=lambda x: x + 9))
    assert told["range"].outcome == "fail" and "observations" in told["range"].sentence


def test_held_out_episodes_with_a_wider_range_raise_the_limit(tmp_path):
    real, held, made = (rollout("Hopper-v5", 1500, seed) for seed in (0, 1, 2))
    assert report(tmp_path, real, made, holdout=held)["range"].outcome in ("pass", "warn")
    assert report(tmp_path, real, held, holdout=held)["range"].passed


def test_discrete_observations_and_single_rows_can_be_judged(tmp_path):
    real, made = halves(rollout("FrozenLake-v1"))
    assert report(tmp_path, real, made)["support"].passed
    assert report(tmp_path, real[:1], made[:1])["support"].outcome == "not measured"
