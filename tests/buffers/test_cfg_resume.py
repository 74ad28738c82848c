"""What a buffer that was saved in the middle does next, and what it takes as offline rows."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch

from synth_replay import TransitionGenerator
from synth_replay.errors import ConfigError, InvalidTransitionsError
from tests.buffers.helpers import ENV, SHIFT, counted, feed, make, offline_data
from tests.conftest import TINY


@pytest.mark.parametrize("refit", ["scratch", "warm"])
def test_a_pickled_buffer_makes_the_next_refit_too_as_one_that_went_on(refit):
    buffer = feed(make(refit=refit))
    buffer.sample(32)
    both = buffer, pickle.loads(pickle.dumps(buffer))
    for held in both:
        for _ in range(3):
            feed(held, 100)
            held.sample(64)
    assert [held.stats.refreshes for held in both] == [2, 2]
    for name in ("online", "offline"):
        first, second = (held.engine.stores[name].rows() for held in both)
        assert all(np.array_equal(column, second[key]) for key, column in first.items())
    first, second = (held.sample(64).leaves() for held in both)
    assert all(np.array_equal(column, second[name]) for name, column in first.items())
    ours, theirs = (held.engine.snapshots.held[-1].rows["offline"].rewards for held in both)
    assert np.array_equal(ours, theirs)


def test_real_rows_are_as_many_as_the_plan_says_where_shares_do_not_divide():
    buffer = feed(make())
    buffer.sample(8)
    online, offline = buffer.transitions().rewards, buffer.offline.rows()["rewards"]
    for _ in range(200):
        rows, counts = counted(buffer, 32)
        assert counts == [11, 11, 8, 2]
        assert [np.isin(rows.rewards, real).sum() for real in (online, offline)] == [11, 11]
        assert (rows.rewards[buffer.last_sources == 1] < -SHIFT + 17).all()


def test_a_snapshot_knows_how_many_rows_there_were():
    buffer = feed(make(store_rows=12_000))
    buffer.sample(8)
    found = buffer.engine.snapshots.held[-1]
    assert found.sizes == {"online": 200, "offline": 600, "synthetic_online": 9_600, "synthetic_offline": 2_400}
    assert len(found.rows["synthetic_online"]) == 5_000


@pytest.mark.parametrize("generation", ["online", "unconditional"])
def test_a_generator_with_labels_is_not_taken_for_one_without(generation, tmp_path):
    rows = offline_data()
    fitted = TransitionGenerator(ENV.observation_space, ENV.action_space, TINY, seed=0, device="cpu")
    fitted.fit(rows, labels=np.repeat(["online", "offline"], 300), progress=False).save(tmp_path)
    with pytest.raises(ConfigError, match="fitted with the labels"):
        make(generator=tmp_path, generation=generation)


@pytest.mark.parametrize("extra", [{"discounts": np.full(600, 0.9)}, {"intervals": np.full(600, 3)}])
def test_offline_rows_of_several_steps_are_refused(extra):
    with pytest.raises(InvalidTransitionsError, match="n-step transitions"):
        make(offline=replace(offline_data(), **extra))
    make(offline=replace(offline_data(), intervals=np.ones(600)))


def test_a_pickled_generator_stays_on_the_device_that_was_asked_for(monkeypatch):
    here = pickle.dumps(TransitionGenerator(ENV.observation_space, ENV.action_space, TINY, device="cpu"))
    there = TransitionGenerator(ENV.observation_space, ENV.action_space, TINY)
    there._asked_device = "cuda:0"  # as if pickled on a machine with a GPU
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert pickle.loads(pickle.dumps(there)).device == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert pickle.loads(here).device == torch.device("cpu")
