"""Each promise of a mixed buffer is broken once, on purpose: the check of that name says so."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from synth_replay.testing.case import Case
from synth_replay.testing.checking import MIXED_CHECKS
from synth_replay_sb3 import CFGMixedBuffer
from tests.testing.sb3_harness import SB3Harness


def quarters(size):
    return size // 4, size // 4, size // 4, size - 3 * (size // 4)


class AsManyOfEach(CFGMixedBuffer):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        plan = self.engine.plan
        self.engine.plan = lambda size, **held: replace(plan(size, **held), counts=quarters(size))


class NoOnlineRows(CFGMixedBuffer):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        plan = self.engine.plan
        self.engine.plan = lambda size, online, offline: plan(size, online=0, offline=offline)


class SourcesInBlocks(CFGMixedBuffer):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.engine.permutation = np.arange


class StoresInterchanged(CFGMixedBuffer):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        mixture = self.engine.mixture
        self.engine.mixture = replace(mixture, drawn_from=mixture.drawn_from[::-1])


class SourcesOfTheBatchBefore(CFGMixedBuffer):
    def sample(self, count, env=None):
        before = self.last_sources
        batch = super().sample(count, env)
        if len(before) == count:
            self.last_sources = before
        return batch


class OfflineRowsThatAreNot(CFGMixedBuffer):
    def _offline_rows(self, count):
        rows = super()._offline_rows(count)
        return rows | {"observations": rows["observations"] + 1}


class RewardsOfAnotherType(CFGMixedBuffer):
    def sample(self, *args):
        batch = super().sample(*args)
        return batch._replace(rewards=batch.rewards.double())


class RewardsOfAnotherShapeWithoutOnlineRows(CFGMixedBuffer):
    def sample(self, *args):
        batch = super().sample(*args)
        return batch if self.size() else batch._replace(rewards=batch.rewards[:, 0])


class ForgetsItsStores(CFGMixedBuffer):
    def __setstate__(self, state):
        self.__dict__.update(state)
        self.engine.supply.stores = {}


class ForgetsItsDraws(CFGMixedBuffer):
    def __setstate__(self, state):
        self.__dict__.update(state)
        self._rng = np.random.default_rng(0)


BROKEN = {
    AsManyOfEach: "sources_are_in_exact_counts",
    NoOnlineRows: "sources_are_in_exact_counts",
    SourcesInBlocks: "sources_are_in_exact_counts",
    StoresInterchanged: "sources_are_in_exact_counts",
    SourcesOfTheBatchBefore: "sources_are_in_exact_counts",
    OfflineRowsThatAreNot: "before_the_first_step_all_is_offline",
    RewardsOfAnotherType: "mixed_batches_look_like_the_hosts_own",
    RewardsOfAnotherShapeWithoutOnlineRows: "mixed_batches_look_like_the_hosts_own",
    ForgetsItsStores: "mixed_saving_loses_nothing",
    ForgetsItsDraws: "mixed_saving_loses_nothing",
}


class Harness(SB3Harness):
    def __init__(self, buffer):
        self.mixed_class = buffer


@pytest.mark.parametrize("buffer", BROKEN, ids=lambda buffer: buffer.__name__)
def test_a_broken_mixed_buffer_is_caught_by_the_check_of_that_name(buffer, tmp_path):
    with pytest.raises(AssertionError) as caught:
        MIXED_CHECKS[BROKEN[buffer]](Case(Harness(buffer), "Pendulum-v1", tmp_path))
    assert len(str(caught.value)) > 10


def test_every_mixed_check_has_a_buffer_that_breaks_it():
    assert set(BROKEN.values()) == set(MIXED_CHECKS)
