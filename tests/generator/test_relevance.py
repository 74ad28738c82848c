"""Relevance of rows against chains whose values are solved exactly, and errors that are known."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from gymnasium import spaces

from synth_replay import Transitions, TransitionSpec
from synth_replay.buffers import Relevance
from synth_replay.errors import ConfigError, InvalidTransitionsError
from synth_replay.generator import relevance
from synth_replay.generator.one_step_config import ForwardConfig

CPU = torch.device("cpu")
STATES, GAMMA = 6, 0.9
SPEC = TransitionSpec(spaces.Discrete(STATES), spaces.Discrete(2))


def chain():
    """A random walk to the right whose last state may end the episode; the reward is the state's number."""
    rng = np.random.default_rng(0)
    s = rng.integers(STATES, size=20_000)
    after = np.where((rng.random(len(s)) < 0.7) & (s < STATES - 1), s + 1, s)
    ends = (s == STATES - 1) & (rng.random(len(s)) < 0.5)
    return Transitions(s, np.zeros(len(s), int), s.astype(float), after, ends)


def exact_values(rows):
    """Solves the Bellman equations of the observed transitions."""
    law = np.zeros((STATES, STATES))
    np.add.at(law, (rows.observations, rows.next_observations), ~rows.terminations)
    law /= np.bincount(rows.observations)[:, None]
    return np.linalg.solve(np.eye(STATES) - GAMMA * law, np.arange(STATES))


def test_return_and_td_error_are_those_of_the_solved_chain():
    rows = chain()
    values = exact_values(rows)
    target = rows.rewards + GAMMA * ~rows.terminations * values[rows.next_observations]
    returns, score = Relevance("return", gamma=GAMMA).learn(rows, SPEC, 0, CPU)
    assert returns == pytest.approx(target, abs=0.01)
    assert score(rows[:9]) == pytest.approx(target[:9], abs=0.01)
    errors, _ = Relevance("td_error", gamma=GAMMA).learn(rows, SPEC, 0, CPU)
    assert errors == pytest.approx(np.abs(target - values[rows.observations]), abs=0.02)


@pytest.mark.parametrize("column", ["discounts", "intervals"])
def test_rewards_over_several_steps_have_their_own_discount(column):
    rows = chain()
    held = np.full(len(rows), GAMMA**3 if column == "discounts" else 3)
    several, _ = Relevance("return", gamma=GAMMA).learn(replace(rows, **{column: held}), SPEC, 0, CPU)
    one, _ = Relevance("return", gamma=GAMMA**3).learn(rows, SPEC, 0, CPU)
    assert several == pytest.approx(one)


def test_curiosity_is_high_where_the_next_state_cannot_be_foreseen(monkeypatch):
    monkeypatch.setattr(relevance, "FORWARD", ForwardConfig(members=1, width=64, steps=300))
    rng, count = np.random.default_rng(0), 2000
    s, a = rng.normal(size=(count, 2)).astype("f4"), rng.uniform(-1, 1, (count, 1)).astype("f4")
    noisy = s[:, 0] > 1
    after = (0.9 * s + 0.3 * a + np.where(noisy, 1.0, 0.01)[:, None] * rng.normal(size=s.shape)).astype("f4")
    rows = Transitions(s, a, np.zeros(count), after, np.zeros(count, bool))
    spec = TransitionSpec(spaces.Box(-99, 99, (2,)), spaces.Box(-1, 1, (1,)))
    errors, score = Relevance("curiosity").learn(rows, spec, 0, CPU)
    assert errors.shape == (count,) and errors[noisy].mean() > 20 * errors[~noisy].mean()
    assert np.corrcoef(errors, score(rows))[0, 1] > 0.9
    again, _ = Relevance("curiosity").learn(rows, spec, 0, CPU)
    assert np.array_equal(errors, again)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda rows: rows.rewards[:-1], "one number for each of 20000 rows"),
        (lambda rows: np.full(len(rows), "a"), "one number for each"),
        (lambda rows: np.where(rows.rewards > 3, np.nan, 0.0), "NaN or infinite"),
    ],
)
def test_a_function_that_returns_something_else_is_named(answer, message):
    with pytest.raises(InvalidTransitionsError, match=message):
        Relevance(answer).learn(chain(), SPEC, 0, CPU)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"score": "surprise"}, "one of curiosity, td_error, return, or a function"),
        ({"top": 0.0}, "top"),
        ({"top": 1.5}, "top"),
        ({"label_dropout": 0.0}, "label_dropout"),
        ({"gamma": 1.0}, "gamma"),
    ],
)
def test_a_value_out_of_its_range_is_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        Relevance(**options)
