"""A buffer's messages about its refreshes: their content, where they go, and when there are none."""

from __future__ import annotations

import logging
import pickle

import numpy as np
import pytest

from synth_replay import TransitionGenerator, Transitions
from synth_replay.buffers import CFGMixedBuffer, SyntheticReplayBuffer
from tests.buffers.helpers import ENV, feed, offline_data
from tests.buffers.helpers import make as make_mixed
from tests.conftest import TINY

SPACES = ENV.observation_space, ENV.action_space


def make(**options):
    defaults = {"generator": TINY, "refresh_every": 120, "seed": 0, "device": "cpu"}
    return SyntheticReplayBuffer(1000, *SPACES, **(defaults | options))


def lines(capsys):
    return [line.removeprefix("synth_replay: ") for line in capsys.readouterr().err.splitlines()]


def test_the_first_batch_says_when_the_first_refit_is_due_and_later_ones_say_nothing(capsys):
    buffer = feed(make(refresh_every=5000), 50)
    for _ in range(3):
        buffer.sample(4)
    (line,) = lines(capsys)
    assert line == "The first refit is due at environment step 5,000. Until then batches contain only real rows."
    again = pickle.loads(pickle.dumps(buffer))
    again.sample(4)
    assert not lines(capsys)


def test_a_refresh_says_before_it_begins_what_it_fits_and_after_it_how_long_it_took(capsys, monkeypatch):
    buffer, seen = feed(make(), 120), []
    fit = TransitionGenerator.fit
    monkeypatch.setattr(TransitionGenerator, "fit", lambda *a, **k: seen.extend(lines(capsys)) or fit(*a, **k))
    buffer.sample(4)
    (before,), (after,) = seen, lines(capsys)
    steps = TINY.training.steps + TINY.relabel.steps
    effort = f"Environment step 120: fitting the generator to 120 real rows in up to {steps} gradient steps"
    assert before.startswith(f"{effort}, then generating 500 rows.")
    assert "500 generated rows are ready" in after
    feed(buffer, 120)
    buffer.sample(4)
    assert "The previous refresh took" in seen[1]


def test_a_due_refresh_without_enough_rows_is_mentioned_once(capsys):
    buffer = make(refresh_every=10)
    for _ in range(3):
        feed(buffer, 20)
        buffer.sample(4)
        buffer.sample(4)
    assert lines(capsys) == [
        "A refit is due, but only 20 real rows can be fitted and 100 are needed. It waits for them."
    ]


def test_rows_that_are_held_out_do_not_count_for_a_fit(capsys):
    feed(make(refresh_every=10, validate=0.5), 105).sample(4)
    assert "only 95 real rows can be fitted" in lines(capsys)[0]


def test_a_saved_generator_is_named_as_the_source_until_the_first_refit(capsys, tmp_path, pendulum):
    TransitionGenerator(*SPACES, TINY, seed=0, device="cpu").fit(pendulum, progress=False).save(tmp_path)
    feed(make(generator=tmp_path, refresh_every=5000), 20).sample(4)
    assert "Until then generated rows are those of the saved generator" in lines(capsys)[0]


@pytest.mark.parametrize("generation", ["conditional", "none"])
def test_a_mixture_that_never_generates_says_nothing(generation, capsys):
    feed(make_mixed(generation=generation, refresh_every=5000), 50).sample(4)
    assert bool(lines(capsys)) == (generation == "conditional")


@pytest.mark.parametrize("options", [{"progress": False}, {"real_ratio": 1.0}])
def test_messages_can_be_silenced(options, capsys):
    feed(make(**options), 130).sample(4)
    assert not lines(capsys)


def test_with_logging_configured_messages_go_there_and_not_to_stderr(capsys, caplog):
    with caplog.at_level(logging.INFO, logger="synth_replay"):
        feed(make(), 130).sample(4)
    assert len(caplog.messages) == 2 and not lines(capsys)
    with caplog.at_level(logging.WARNING, logger="synth_replay"):
        feed(make(), 130).sample(4)
    assert len(caplog.messages) == 2 and not lines(capsys)


@pytest.mark.parametrize("capacity", [1, 99])
def test_a_buffer_that_can_never_be_fitted_warns(capacity):
    with pytest.warns(UserWarning, match=f"keeps {capacity} real rows, and a fit needs 100.*capacity to at least 100"):
        SyntheticReplayBuffer(capacity, *SPACES, generator=TINY)
    with pytest.warns(UserWarning, match="no rows like them"):
        CFGMixedBuffer(capacity, *SPACES, offline_data(), generator=TINY)
    SyntheticReplayBuffer(capacity, *SPACES, generator=TINY, real_ratio=1.0)


# -- large buffers ----------------------------------------------------------------------------


def fitted_rows(monkeypatch) -> list[Transitions]:
    seen, fit = [], TransitionGenerator.fit
    monkeypatch.setattr(TransitionGenerator, "fit", lambda self, rows, **k: seen.append(rows) or fit(self, rows, **k))
    return seen


def test_a_refit_learns_from_a_random_sample_of_a_large_buffer(monkeypatch):
    seen = fitted_rows(monkeypatch)
    buffer = feed(make(fit_rows=150), 500)
    buffer.sample(4)
    position = {row.tobytes(): i for i, row in enumerate(buffer.transitions().observations)}
    chosen = [position[row.tobytes()] for row in seen[0].observations]
    assert len(set(chosen)) == 150 and chosen == sorted(chosen)
    assert min(chosen) < 50 and max(chosen) > 450
    buffer.engine.request_refresh()
    buffer.sample(4)
    assert not np.array_equal(seen[0].rewards, seen[1].rewards)


def test_a_limit_that_is_not_reached_changes_no_draw():
    batches = []
    for limit in (120, 200_000, None):
        buffer = feed(make(fit_rows=limit), 120)
        buffer.sample(4)
        batches.append(buffer.sample(64))
    assert all(np.array_equal(batches[0].rewards, batch.rewards) for batch in batches[1:])


def test_the_limit_holds_for_each_source_and_the_report_still_knows_how_many_rows_there_were(monkeypatch):
    seen = fitted_rows(monkeypatch)
    buffer = feed(make_mixed(fit_rows=110), 300)
    buffer.sample(8)
    assert len(seen[0]) == 220
    assert buffer.engine.snapshots.held[-1].sizes["online"] == 300
    assert buffer.engine.snapshots.held[-1].sizes["offline"] == 600
