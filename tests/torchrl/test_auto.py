"""``auto`` in TorchRL: the count, the share, and batches that equal TorchRL's own until then."""

from __future__ import annotations

import pytest
import torch
from torchrl.data import LazyTensorStorage, TensorDictReplayBuffer

from synth_replay.buffers import AutoShare
from tests.torchrl.helpers import filled, pendulum

EARLY = AutoShare(begin=2, full=8, floor=None)


def test_until_rows_are_drawn_often_batches_equal_torchrls_own():
    ours = filled(real_ratio="auto", seed=0)
    theirs = TensorDictReplayBuffer(storage=LazyTensorStorage(2_000), batch_size=32)
    theirs.extend(ours[:].exclude("index"))
    batches = []
    for buffer in (ours, theirs):
        torch.manual_seed(0)
        batches.append([buffer.sample() for _ in range(5)])
    for one, other in zip(*batches, strict=True):
        assert (one.select("observation", "action") == other.select("observation", "action")).all()
    assert ours.engine.stats.refreshes == 0 and ours.engine.stats.draws_per_row == pytest.approx(5 * 32 / 250)


@pytest.mark.parametrize("capacity", [2_000, 200])
def test_draws_are_counted_also_where_the_ring_wraps_around(capacity):
    env, drawn = pendulum(), 0
    buffer = filled(env, real_ratio=EARLY, storage=LazyTensorStorage(capacity))
    for _ in range(60):
        drawn += int((buffer.sample()["index"] >= 0).sum())
    buffer.extend(env.rollout(50, break_when_any_done=False).reshape(-1))
    for _ in range(60):
        drawn += int((buffer.sample()["index"] >= 0).sum())
    assert buffer.engine.stats.refreshes >= 1 and buffer.engine.stats.real_share < 1
    assert buffer.engine.stats.draws_per_row == pytest.approx(drawn / 300)
    assert buffer.stats()["synth/draws_per_row"] == buffer.engine.stats.draws_per_row


def test_the_count_is_saved_with_the_buffer(tmp_path):
    made = filled(real_ratio=EARLY)
    for _ in range(40):
        made.sample()
    made.dumps(tmp_path / "saved")
    other = filled(real_ratio=EARLY, steps=10)
    other.loads(tmp_path / "saved")
    assert other.engine.stats.draws_per_row == made.engine.stats.draws_per_row > 2
    made.sample(), other.sample()
    assert (
        other.engine.stats.draws_per_row == made.engine.stats.draws_per_row
        and other.engine.stats.reason == made.engine.stats.reason
    )


def test_rows_of_a_high_relevance_are_asked_for():
    buffer = filled(relevance="return")
    buffer.sample()
    assert buffer.stats()["synth/relevance_asked"] > buffer.stats()["synth/relevance"]


def test_a_refresh_in_the_background_is_taken_over_at_a_later_batch():
    buffer = filled(refresh="background")
    assert (buffer.sample()["index"] >= 0).all()
    buffer.engine.supply.wait()
    buffer.sample()
    assert buffer.stats()["synth/refreshes"] == 1
