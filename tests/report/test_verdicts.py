"""Verdicts on real rows that were spoilt in one way; nothing is drawn."""

import gymnasium as gym
import numpy as np
import pytest

from synth_replay.report import page, write_report
from tests.conftest import rollout
from tests.report.helpers import changed, halves


@pytest.fixture(autouse=True)
def undrawn(monkeypatch):
    monkeypatch.setattr(page, "render", lambda *_, **__: "")


@pytest.fixture
def rows():
    return halves(rollout("CartPole-v1", 1600))


def report(path, real, synthetic, **options):
    return write_report(path / "report.html", real, synthetic, **options)


def test_a_half_of_real_rows_is_good_enough_for_the_other_half(tmp_path, rows):
    verdict = report(tmp_path, *rows, env=gym.make("CartPole-v1"))
    assert verdict.good and verdict.headline == "Good enough to train on"


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
