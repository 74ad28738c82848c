"""``auto``: draws are counted, nothing is fitted before they are many, and the share follows them."""

from __future__ import annotations

import numpy as np
import pytest
from gymnasium import spaces

from synth_replay.buffers import AutoShare, Moment, SyntheticReplayBuffer, cfdg_engine, synther_engine
from synth_replay.buffers.draws import DrawCount
from synth_replay.errors import ConfigError
from tests.conftest import TINY, rollout

SPACES = spaces.Box(-8, 8, (3,)), spaces.Box(-2, 2, (1,))
EARLY = AutoShare(begin=2, full=8, floor=None)
QUIET = {"generator": TINY, "seed": 0, "device": "cpu"}


def agent(ratio=EARLY, capacity=1_000, **options):
    return SyntheticReplayBuffer(capacity, *SPACES, real_ratio=ratio, **(QUIET | {"progress": False} | options))


def step(buffer, number):
    rows = rollout("Pendulum-v1", 600)[number : number + 1]
    buffer.add(rows.observations, rows.actions, rows.rewards, rows.next_observations, rows.terminations)


# -- the count ----------------------------------------------------------------------------------


@pytest.mark.parametrize("capacity", [1_000, 150])
def test_draws_per_row_are_all_draws_over_all_rows_that_were_ever_held(capacity):
    """A ring that wraps around is compared with a list of each row's own draws."""
    rng, count, own, held = np.random.default_rng(0), DrawCount(), [], []
    for steps in range(1, 401):
        own.append(0)
        held = [*held, steps - 1][-capacity:]
        for number in rng.choice(held, 7):
            own[number] += 1
        count.add(7, len(held), steps)
    assert count.per_row(400) == pytest.approx(np.mean(own)) == 7


def test_rows_of_a_dataset_count_as_those_of_steps_do():
    count = DrawCount()
    count.add(500, held=1_000, steps=0)
    assert count.per_row(0) == 0.5
    count.add(700, held=1_200, steps=200)
    assert count.per_row(200) == 1.0
    count.restart(200)
    assert count.per_row(200) == 0.0
    count.add(30, held=10, steps=210)
    assert count.per_row(210) == 3.0


def test_generated_rows_are_not_counted_as_draws():
    buffer = agent(0.25, refresh_every=100)
    for number in range(150):
        step(buffer, number)
    for _ in range(30):
        buffer.sample(40)
    assert buffer.stats.refreshes == 1
    assert buffer.stats.draws_per_row == pytest.approx(30 * 10 / 150)


# -- the share ----------------------------------------------------------------------------------


def test_the_share_begins_at_zero_and_rises_to_its_most():
    rule = AutoShare(most=0.4, begin=100, full=1_600)
    shares = [rule.generated(Moment(0, 0, draws)) for draws in (0, 100, 200, 400, 800, 1_600, 1e6)]
    np.testing.assert_allclose(shares, [0, 0, 0.1, 0.2, 0.3, 0.4, 0.4])
    assert rule.generated(Moment(0, 0, 101)) < 0.01  # no jump


@pytest.mark.parametrize("wrong", [{"most": 1.5}, {"begin": 0}, {"begin": 9, "full": 9}])
def test_a_rule_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(ConfigError, match="AutoShare"):
        AutoShare(**wrong)


@pytest.mark.parametrize("word", ["Auto", "automatic", ""])
def test_another_word_is_refused_and_auto_is_named(word):
    with pytest.raises(ConfigError, match=r"in \[0, 1\], or 'auto'"):
        synther_engine(*SPACES, real_ratio=word, **QUIET)
    with pytest.raises(ConfigError, match=r"in \[0, 1\], or 'auto'"):
        cfdg_engine(*SPACES, synthetic_ratio=word, **QUIET)


# -- the buffer ---------------------------------------------------------------------------------


def test_batches_are_those_of_real_rows_alone_until_the_rows_have_been_drawn_often():
    auto, stock = agent("auto"), agent(1.0)
    for number in range(300):
        step(auto, number)
        step(stock, number)
        ours, theirs = auto.sample(64), stock.sample(64)
        for name, column in ours.leaves().items():
            np.testing.assert_array_equal(column, theirs.leaves()[name])
    assert auto.stats.refreshes == 0 and auto.stats.draws_per_row == pytest.approx(64)
    assert auto.stats.reason == "No generated rows yet: 64 draws per row, they begin at 400 (real_ratio='auto')."
    assert stock.stats.reason == "0% of each batch is generated, as asked for."


def test_the_first_refit_comes_with_the_share_and_later_ones_as_refresh_every_says():
    buffer, shares = agent(refresh_every=50), []
    for number in range(200):
        step(buffer, number)
    while not buffer.stats.refreshes:
        buffer.sample(50)
        shares.append(buffer.stats.real_share)
    assert buffer.stats.draws_per_row == pytest.approx(2, abs=0.5) and set(shares[:-1]) == {1.0}
    shares = []
    for _ in range(60):
        buffer.sample(50)
        shares.append(buffer.stats.real_share)
    assert shares == sorted(shares, reverse=True) and shares[-1] == 0.5
    assert buffer.stats.refreshes == 1 and "50% of each batch is generated" in buffer.stats.reason
    for number in range(50):
        step(buffer, number)
    buffer.sample(50)
    assert buffer.stats.refreshes == 2


def test_too_few_rows_postpone_the_first_refit():
    buffer = agent()
    for number in range(99):
        step(buffer, number)
    for _ in range(20):
        buffer.sample(50)
    assert buffer.stats.refreshes == 0 and buffer.stats.real_share == 1.0
    step(buffer, 99)
    buffer.sample(50)
    assert buffer.stats.refreshes == 1


def test_rows_unlike_the_real_ones_stay_out_and_the_reason_is_their_fidelity():
    worst = AutoShare(begin=2, full=8, floor=1.5)
    buffer = agent(worst)
    for number in range(200):
        step(buffer, number)
    with pytest.warns(UserWarning, match="kept out of training"):
        for _ in range(20):
            buffer.sample(50)
    assert buffer.stats.gated and buffer.stats.real_share == 1.0 and buffer.stats.refreshes == 1
    assert "their fidelity" in buffer.stats.reason and "below 1.5" in buffer.stats.reason


def test_the_gate_of_auto_costs_the_fit_no_rows():
    made = agent(AutoShare(begin=2, full=8, floor=0.1))
    fitted = []
    fit = made.engine.generator.fit
    made.engine.generator.fit = lambda rows, **options: fitted.append(len(rows)) or fit(rows, **options)
    for number in range(200):
        step(made, number)
    for _ in range(10):
        made.sample(50)
    assert fitted == [200] and 0.1 < made.stats.fidelity <= 1.2


def test_a_line_says_once_why_there_are_no_generated_rows(capsys):
    buffer = agent("auto", progress=None)
    for number in range(5):
        step(buffer, number)
        buffer.sample(10)
        buffer.engine.say_when_due()
    said = [line for line in capsys.readouterr().err.splitlines() if "draws per row" in line]
    assert len(said) == 1 and "they begin at 400" in said[0]


def test_a_buffer_that_is_emptied_begins_again():
    buffer = agent()
    for number in range(200):
        step(buffer, number)
    for _ in range(20):
        buffer.sample(50)
    buffer.engine.reset()
    assert buffer.stats.draws_per_row == 0 and buffer.stats.rows == 0
    buffer.sample(50)
    assert buffer.stats.real_share == 1.0
