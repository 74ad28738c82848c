"""``relevance=`` in the engine of every buffer: what is asked for, what the figures say, and what is refused."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from synth_replay.buffers import AutoShare, Relevance, cfdg_engine, synther_engine
from synth_replay.buffers.generator_kinds import resembled_parts
from synth_replay.errors import CheckpointError, ConfigError
from tests.buffers.test_engine_state import SPACES, engine_state, refreshed, restored_parts, update
from tests.conftest import TINY, rollout


def reward(rows):
    return rows.rewards


@pytest.mark.parametrize("relevance", ["return", "td_error", reward, Relevance(reward, top=0.1)])
def test_figures_tell_the_relevance_of_real_rows_of_what_was_asked_and_of_what_came_out(relevance):
    stats = refreshed(relevance=relevance).stats
    assert stats.refreshes == 1 and stats.relevance < stats.relevance_asked
    assert np.isfinite(stats.relevance_made) and stats.to_dict()["relevance_made"] == stats.relevance_made


def test_what_is_asked_for_is_the_top_share_of_the_rows_that_were_fitted():
    rewards = np.sort(rollout("Pendulum-v1")[:300].rewards)
    stats = refreshed(relevance=Relevance(reward, top=0.1)).stats
    assert stats.relevance == pytest.approx(rewards.mean(), rel=1e-4)
    assert stats.relevance_asked == pytest.approx(rewards[-30:].mean(), abs=0.05 * np.ptp(rewards[-30:]))


def test_generated_rows_are_compared_with_real_ones_of_high_relevance():
    engine, rows = refreshed(relevance=reward), rollout("Pendulum-v1")
    split = resembled_parts(engine.generator, {"real": (rows[:300], rows[300:340])})
    fitted, held = split["real"]
    assert np.array_equal(np.sort(fitted.rewards), np.sort(rows[:300].rewards)[-75:])
    assert np.array_equal(np.sort(held.rewards), np.sort(rows[300:340].rewards)[-10:])


@pytest.mark.parametrize("options", [{"validate": 0.1}, {"real_ratio": AutoShare(floor=0.1)}])
def test_a_relevance_goes_with_a_floor_and_with_auto(options):
    engine = synther_engine(*SPACES, generator=TINY, seed=0, progress=False, relevance="return", **options)
    engine.notify(300)
    while not engine.wanted:
        engine.plan(5_000, real=300)
    engine.request_refresh()
    update(engine, 300)
    assert engine.stats.refreshes == 1 and 0 < engine.stats.fidelity < 2


def test_a_pickled_engine_goes_on():
    engine = refreshed(relevance="return")
    again = pickle.loads(pickle.dumps(engine))
    assert again.stats.relevance_asked == engine.stats.relevance_asked
    again.request_refresh()
    update(again, 300)
    assert again.stats.refreshes == 2 and again.stats.relevance_asked != engine.stats.relevance_asked


def test_a_state_of_a_buffer_without_relevance_is_named():
    with_one, without = refreshed(relevance="return"), refreshed()
    for one, other, word in ((with_one, without, "with relevance="), (without, with_one, "without relevance=")):
        with pytest.raises(CheckpointError, match=word):
            restored_parts(other, *engine_state(one))


@pytest.mark.parametrize("name", ["additive_noise", "dynamics_noise"])
def test_a_generator_that_cannot_be_asked_is_named(name):
    with pytest.raises(ConfigError, match="needs a diffusion model"):
        refreshed(generator=name, relevance="curiosity")


def test_a_name_that_is_none_and_a_buffer_that_has_labels_already_are_named():
    with pytest.raises(ConfigError, match="one of curiosity, td_error, return"):
        refreshed(relevance="novelty")
    with pytest.raises(TypeError, match="relevance"):
        refreshed(cfdg_engine, relevance="curiosity")


def test_a_state_of_another_relevance_is_refused():
    with pytest.raises(CheckpointError, match="fitted with relevance='return', not 'td_error'"):
        restored_parts(refreshed(relevance="td_error"), *engine_state(refreshed(relevance="return")))


def test_rows_of_a_saved_generator_are_judged_before_they_are_used(tmp_path):
    refreshed(relevance="return").generator.inner.save(tmp_path)
    options = {"generator": tmp_path, "relevance": "return", "validate": 0.999}
    engine = synther_engine(*SPACES, seed=0, progress=False, device="cpu", **options)
    engine.notify(300)
    with pytest.warns(UserWarning, match="kept out"):
        update(engine, 300)
    assert engine.stats.gated and engine.plan(8, real=300).generated == 0
