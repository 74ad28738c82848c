"""How many rows of each source a batch has."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth_replay.buffers import LinearSchedule, four_sources
from synth_replay.buffers.generated_share import Moment
from synth_replay.errors import ConfigError


def counted(mixture, batch_size, step, held, rng=None):
    return mixture.counts(batch_size, Moment(step, 0), held, np.random.default_rng(0) if rng is None else rng).counts


def test_the_papers_default_is_one_to_one_to_one_and_eight_to_two_among_the_generated():
    assert counted(four_sources(), 300, 0, (1, 1, 1, 1)) == (100, 100, 80, 20)


def test_a_coin_makes_a_batch_online_like_as_often_as_it_says():
    rng, mixture = np.random.default_rng(0), four_sources("oorb", synthetic_ratio=0.25, online_ratio=0.3)
    batches = [counted(mixture, 100, step, (5, 5, 5, 5), rng) for step in range(10_000)]
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
    counts = counted(four_sources(name, *shares), batch, 0, held)
    assert sum(counts) == batch
    assert all(count == 0 for count, rows in zip(counts, held, strict=True) if not rows)


def test_the_rows_of_an_empty_source_are_real_ones_of_its_kind_if_there_are_any():
    mixture = four_sources()
    assert counted(mixture, 300, 0, (0, 9, 0, 0)) == (0, 300, 0, 0)
    assert counted(mixture, 300, 0, (9, 9, 0, 0)) == (180, 120, 0, 0)
    assert counted(mixture, 300, 0, (9, 9, 0, 9)) == (180, 100, 0, 20)


def test_ratios_follow_their_schedules():
    mixture = four_sources("concat", LinearSchedule(0.0, 0.5, 100), lambda step: min(1.0, step / 200))
    counts = [counted(mixture, 1000, step, (5, 5, 5, 5)) for step in (0, 50, 100, 1000)]
    assert counts[0] == (0, 1000, 0, 0)
    assert counts[1][2] + counts[1][3] == 250 and counts[1][0] == pytest.approx(0.25 * 750, abs=1)
    assert counts[2] == (250, 250, 400, 100) and counts[3] == (500, 0, 400, 100)


@pytest.mark.parametrize(
    ("settings_", "match"),
    [
        ({"plan": "random"}, "concat, oorb"),
        ({"synthetic_ratio": 1.2}, "synthetic_ratio"),
        ({"online_ratio": -0.1}, "online_ratio"),
        ({"synthetic_online_ratio": lambda step: 2.0}, "synthetic_online_ratio at step 0"),
    ],
)
def test_a_plan_that_does_not_add_up_is_refused(settings_, match):
    with pytest.raises(ConfigError, match=match):
        four_sources(**settings_)


def test_a_schedule_that_leaves_zero_and_one_later_is_refused_when_it_does():
    mixture = four_sources(synthetic_ratio=lambda step: step / 100)
    with pytest.raises(ConfigError, match="synthetic_ratio at step 101"):
        counted(mixture, 10, 101, (5, 5, 5, 5))


@pytest.mark.parametrize("bad", [{"start": -1.0}, {"end": 1.5}, {"steps": 0}])
def test_a_line_outside_zero_and_one_is_refused(bad):
    with pytest.raises(ConfigError, match="LinearSchedule"):
        LinearSchedule(**({"start": 0.0, "end": 1.0, "steps": 10} | bad))
