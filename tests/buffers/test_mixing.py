"""How many rows of each source a batch has."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth_replay.buffers.batch_plans import BatchPlan
from synth_replay.buffers.ratios import LinearSchedule
from synth_replay.errors import ConfigError


def test_the_papers_default_is_one_to_one_to_one_and_eight_to_two_among_the_generated():
    counts = BatchPlan().counts(300, 0, (1, 1, 1, 1), np.random.default_rng(0))
    assert counts == (100, 100, 80, 20)


def test_a_coin_makes_a_batch_online_like_as_often_as_it_says():
    rng, plan = np.random.default_rng(0), BatchPlan("oorb", synthetic=0.25, online=0.3)
    batches = [plan.counts(100, step, (5, 5, 5, 5), rng) for step in range(10_000)]
    assert set(batches) == {(75, 0, 25, 0), (0, 75, 0, 25)}
    online = sum(counts[0] > 0 for counts in batches)
    assert abs(online - 3000) < 4 * np.sqrt(10_000 * 0.3 * 0.7)


@settings(max_examples=200, deadline=None)
@given(
    batch=st.integers(0, 1000),
    shares=st.tuples(*[st.floats(0, 1)] * 3),
    held=st.tuples(*[st.integers(0, 1)] * 4).filter(lambda h: h[0] or h[1]),
    name=st.sampled_from(["concat", "oorb"]),
)
def test_counts_add_up_and_an_empty_source_gives_nothing(batch, shares, held, name):
    counts = BatchPlan(name, *shares).counts(batch, 0, held, np.random.default_rng(0))
    assert sum(counts) == batch
    assert all(count == 0 for count, rows in zip(counts, held, strict=True) if not rows)


def test_the_rows_of_an_empty_source_are_real_ones_of_its_kind_if_there_are_any():
    plan, rng = BatchPlan(), np.random.default_rng(0)
    assert plan.counts(300, 0, (0, 9, 0, 0), rng) == (0, 300, 0, 0)
    assert plan.counts(300, 0, (9, 9, 0, 0), rng) == (180, 120, 0, 0)
    assert plan.counts(300, 0, (9, 9, 0, 9), rng) == (180, 100, 0, 20)


def test_ratios_follow_their_schedules():
    plan = BatchPlan(synthetic=LinearSchedule(0.0, 0.5, 100), online=lambda step: min(1.0, step / 200))
    counts = [plan.counts(1000, step, (5, 5, 5, 5), np.random.default_rng(0)) for step in (0, 50, 100, 1000)]
    assert counts[0] == (0, 1000, 0, 0)
    assert counts[1][2] + counts[1][3] == 250 and counts[1][0] == pytest.approx(0.25 * 750, abs=1)
    assert counts[2] == (250, 250, 400, 100) and counts[3] == (500, 0, 400, 100)


@pytest.mark.parametrize(
    ("settings_", "match"),
    [
        ({"name": "random"}, "concat, oorb"),
        ({"synthetic": 1.2}, "synthetic_ratio"),
        ({"online": -0.1}, "online_ratio"),
        ({"synthetic_online": lambda step: 2.0}, "synthetic_online_ratio at step 0"),
    ],
)
def test_a_plan_that_does_not_add_up_is_refused(settings_, match):
    with pytest.raises(ConfigError, match=match):
        BatchPlan(**settings_)


def test_a_schedule_that_leaves_zero_and_one_later_is_refused_when_it_does():
    plan = BatchPlan(synthetic=lambda step: step / 100)
    with pytest.raises(ConfigError, match="synthetic_ratio at step 101"):
        plan.counts(10, 101, (5, 5, 5, 5), np.random.default_rng(0))


@pytest.mark.parametrize("bad", [{"start": -1.0}, {"end": 1.5}, {"steps": 0}])
def test_a_line_outside_zero_and_one_is_refused(bad):
    with pytest.raises(ConfigError, match="LinearSchedule"):
        LinearSchedule(**({"start": 0.0, "end": 1.0, "steps": 10} | bad))
