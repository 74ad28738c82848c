"""``auto`` in d3rlpy: the count, the share, and training that equals d3rlpy's own until then."""

from __future__ import annotations

import d3rlpy
import numpy as np
import pytest
import torch
from d3rlpy.algos import IQLConfig, TD3PlusBCConfig

from synth_replay.buffers import AutoShare
from synth_replay_d3rlpy import CFGMixedBuffer, SyntheticReplayBuffer
from synth_replay_d3rlpy.columns import EpisodeColumns
from tests.d3rlpy.helpers import KWARGS, dataset, real_mask, small, train

EARLY = AutoShare(begin=2, full=8, floor=None)


@pytest.fixture
def drawn(monkeypatch):
    """Numbers of real rows that were picked for batches of at most 100; a fit picks more."""
    found, pick = [], EpisodeColumns.pick

    def counted(self, index):
        found.extend([len(index)] if len(index) <= 100 else [])
        return pick(self, index)

    monkeypatch.setattr(EpisodeColumns, "pick", counted)
    return found


@pytest.mark.parametrize("config", [IQLConfig, TD3PlusBCConfig])
def test_until_rows_are_drawn_often_training_equals_d3rlpys_own(config):
    agents = []
    for rows in (dataset(), SyntheticReplayBuffer.wrap(dataset(), real_ratio="auto", seed=5, **KWARGS)):
        d3rlpy.seed(3)
        agents.append(small(config))
        train(agents[-1], rows, steps=100)
    ours, theirs = (agent.impl.modules.get_torch_modules() for agent in reversed(agents))
    for name, module in theirs.items():
        for a, b in zip(module.state_dict().values(), ours[name].state_dict().values(), strict=True):
            assert torch.equal(a, b)
    assert rows.stats.refreshes == 0 and rows.stats.draws_per_row == pytest.approx(100 * 32 / rows.transition_count)


def test_draws_are_counted_and_the_share_follows_them(drawn):
    buffer = SyntheticReplayBuffer.wrap(dataset(), real_ratio=EARLY, **KWARGS)
    rows = buffer.transition_count
    while not buffer.stats.refreshes:
        buffer.sample_transition_batch(100)
    assert buffer.stats.draws_per_row == pytest.approx(2, abs=0.4)
    for _ in range(90):
        batch = buffer.sample_transition_batch(100)
    assert buffer.stats.draws_per_row == pytest.approx(sum(drawn) / rows)
    assert real_mask(batch, buffer).sum() == 50 and buffer.stats.real_share == 0.5


def test_appended_steps_count_as_rows(drawn):
    buffer = SyntheticReplayBuffer.wrap(dataset(), real_ratio="auto", **KWARGS)
    before = buffer.transition_count
    rng = np.random.default_rng(0)
    for number in range(200):
        buffer.append(rng.normal(size=3).astype(np.float32), np.zeros(1, np.float32), 0.0)
        buffer.sample_transition_batch(16)
        if number % 100 == 99:
            buffer.clip_episode(False)
    # the last step of a truncated episode is no row, which the count does not know
    assert buffer.transition_count == before + 198
    assert buffer.stats.draws_per_row == pytest.approx(sum(drawn) / buffer.transition_count, rel=0.005)


def test_the_share_of_cfdg_follows_the_draws_of_both_kinds(drawn):
    buffer = CFGMixedBuffer(dataset(), synthetic_ratio=AutoShare(most=0.25, begin=2, full=8, floor=None), **KWARGS)
    for _ in range(100):
        buffer.sample_transition_batch(100)
    # a fifth of the generated rows are offline-like; the others are real as long as there is no online row
    assert buffer.stats.refreshes == 1 and (buffer.last_sources >= 2).sum() == 5
    assert buffer.stats.draws_per_row == pytest.approx(sum(drawn) / buffer.transition_count)
    auto = CFGMixedBuffer(dataset(), synthetic_ratio="auto", **KWARGS)
    auto.sample_transition_batch(10)
    assert auto.stats.reason.endswith("they begin at 400 (synthetic_ratio='auto').")


def test_a_refresh_in_the_background_is_taken_over_at_a_later_batch():
    buffer = SyntheticReplayBuffer.wrap(dataset(), refresh="background", **KWARGS)
    assert real_mask(buffer.sample_transition_batch(32), buffer).all()
    buffer.engine.supply.wait()
    assert real_mask(buffer.sample_transition_batch(32), buffer).sum() == 16
