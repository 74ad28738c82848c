"""Each promise is broken once, on purpose, in the adapter for Stable-Baselines3: the check of that name says so."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from stable_baselines3.common.buffers import ReplayBuffer

from synth_replay import Transitions
from synth_replay.testing import AdapterCheckError, AdapterReport, check_adapter
from synth_replay.testing.case import Case
from synth_replay.testing.checking import CHECKS
from synth_replay_sb3 import SyntheticReplayBuffer
from synth_replay_sb3.conversion import stored_transitions
from tests.testing.sb3_harness import SB3Harness


def with_one_more(counts):
    return replace(counts, counts=(counts.real + 1, counts.generated - 1)) if counts.generated else counts


class OneRealRowTooMany(SyntheticReplayBuffer):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        plan = self.engine.plan
        self.engine.plan = lambda size, **held: with_one_more(plan(size, **held))


class Unshuffled(SyntheticReplayBuffer):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.engine.permutation = np.arange


class RewardsOfAnotherType(SyntheticReplayBuffer):
    def sample(self, *args):
        batch = super().sample(*args)
        return batch._replace(rewards=batch.rewards.double())


class RewardsOfAnotherShape(SyntheticReplayBuffer):
    def sample(self, *args):
        batch = super().sample(*args)
        return batch._replace(rewards=batch.rewards[:, 0])


class NotANumber(SyntheticReplayBuffer):
    def to_host(self, rows):
        columns = super().to_host(rows)
        return columns | {"next_observations": np.full_like(columns["next_observations"], np.nan)}


class StaleRows(SyntheticReplayBuffer):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        draw, held = self.engine.draw, {}
        self.engine.draw = lambda counts: held.setdefault(counts, draw(counts))


class WritesIntoTheHost(SyntheticReplayBuffer):
    def to_host(self, rows):
        self.rewards[0, 0] = rows.rewards[0]
        return super().to_host(rows)


class ActionsOfTheEnvironment(SyntheticReplayBuffer):
    def to_host(self, rows):
        return super().to_host(rows) | {"actions": np.asarray(rows.actions)}


class TornRows(SyntheticReplayBuffer):
    def sample(self, *args):
        batch = super().sample(*args)
        return batch._replace(next_observations=batch.next_observations.roll(1, 0))


class TornGeneratedRows(SyntheticReplayBuffer):
    def to_host(self, rows):
        return {name: np.roll(column, i, axis=0) for i, (name, column) in enumerate(super().to_host(rows).items())}


class StandsStill(SyntheticReplayBuffer):
    def to_host(self, rows):
        columns = super().to_host(rows)
        return columns | {"next_observations": columns["observations"]}


class EndsWhereItGoesOn(SyntheticReplayBuffer):
    def to_host(self, rows):
        columns = super().to_host(rows)
        return columns | {"dones": 1 - columns["dones"]}


class ForgetsWhenFull(SyntheticReplayBuffer):
    def sample(self, *args):
        update = self.engine.update
        self.engine.update = lambda rows, to_host: update({"real": lambda: rows["real"]()[: self.pos or None]}, to_host)
        found = super().sample(*args)
        self.engine.update = update
        return found


class CountsOneEnvironment(SyntheticReplayBuffer):
    def add(self, *args, **kwargs):
        super().add(*args, **kwargs)
        self.engine.notify(1 - self.n_envs)


class FitsOneEnvironment(SyntheticReplayBuffer):
    def sample(self, *args):
        update = self.engine.update
        self.engine.update = lambda rows, to_host: update({"real": lambda: rows["real"]()[:: self.n_envs]}, to_host)
        found = super().sample(*args)
        self.engine.update = update
        return found


class TimeLimitsAreEnds(SyntheticReplayBuffer):
    def sample(self, *args):
        update = self.engine.update

        def collect():
            columns = stored_transitions(self).columns()
            return Transitions(**columns | {"terminations": self.dones[: self.size()].reshape(-1) > 0})

        self.engine.update = lambda _, to_host: update({"real": collect}, to_host)
        found = super().sample(*args)
        self.engine.update = update
        return found


class ForgetsItsRefreshes(SyntheticReplayBuffer):
    def __setstate__(self, state):
        self.__dict__ |= copy.deepcopy({"engine": state["engine"]}) | {k: v for k, v in state.items() if k != "engine"}
        clock = self.engine.supply.clock
        clock.last_at, clock.steps = None, 0


class IgnoresItsSeed(SyntheticReplayBuffer):
    def __init__(self, *args, seed=None, **kwargs):
        super().__init__(*args, seed=0, **kwargs)


class SeedsItself(SyntheticReplayBuffer):
    def __init__(self, *args, seed=None, **kwargs):
        super().__init__(*args, seed=int.from_bytes(np.random.default_rng().bytes(4), "little"), **kwargs)


class DrawsFromTheHostsStream(SyntheticReplayBuffer):
    def sample(self, *args):
        np.random.random()
        return super().sample(*args)


class NewestRowsAlone(SyntheticReplayBuffer):
    def _get_samples(self, index, env=None):
        return super()._get_samples(np.maximum(index, self.size() // 2), env)


class FewGeneratedRows(SyntheticReplayBuffer):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        engine = self.engine
        engine.draw = lambda counts: engine.stores["all"].gather(np.arange(counts.generated) % 5)


class NeverRefreshes(SyntheticReplayBuffer):
    def add(self, *args, **kwargs):
        ReplayBuffer.add(self, *args, **kwargs)


class AlwaysRefreshes(SyntheticReplayBuffer):
    def sample(self, *args):
        self.engine.request_refresh()
        return super().sample(*args)


class GeneratesFromTheStart(SyntheticReplayBuffer):
    def sample(self, count, env=None):
        batch = super().sample(count, env)
        return batch._replace(observations=batch.observations + torch.linspace(0, 1, count)[:, None])


class TakesAnyRatio(SyntheticReplayBuffer):
    def __init__(self, *args, real_ratio=0.5, **kwargs):
        super().__init__(*args, real_ratio=float(np.clip(real_ratio, 0, 1)), **kwargs)


class RepairsNaN(SyntheticReplayBuffer):
    def add(self, obs, *args, **kwargs):
        super().add(np.nan_to_num(obs), *args, **kwargs)


class RaisesWithFewRows(SyntheticReplayBuffer):
    def sample(self, *args):
        if self.size() < 100:
            raise ValueError("too few rows")
        return super().sample(*args)


BROKEN = {
    OneRealRowTooMany: "counts_are_exact",
    Unshuffled: "rows_are_shuffled",
    RewardsOfAnotherType: "batches_look_like_the_hosts_own",
    RewardsOfAnotherShape: "batches_look_like_the_hosts_own",
    NotANumber: "generated_rows_are_valid",
    StaleRows: "old_rows_leave_at_a_refresh",
    WritesIntoTheHost: "storage_is_left_alone",
    ActionsOfTheEnvironment: "generated_rows_are_the_generators",
    TornRows: "real_rows_stay_whole",
    TornGeneratedRows: "generated_rows_are_the_generators",
    StandsStill: "generated_rows_are_the_generators",
    EndsWhereItGoesOn: "generated_rows_are_the_generators",
    ForgetsWhenFull: "a_full_storage_keeps_the_newest_rows",
    CountsOneEnvironment: "refreshes_come_on_time",
    FitsOneEnvironment: "the_generator_sees_what_was_added",
    TimeLimitsAreEnds: "the_generator_sees_what_was_added",
    ForgetsItsRefreshes: "saving_loses_nothing",
    IgnoresItsSeed: "seeds_decide_everything",
    SeedsItself: "seeds_decide_everything",
    DrawsFromTheHostsStream: "without_generated_rows_it_is_the_hosts_own",
    NewestRowsAlone: "all_real_rows_can_be_drawn",
    FewGeneratedRows: "generated_rows_vary",
    NeverRefreshes: "refreshes_come_on_time",
    AlwaysRefreshes: "refreshes_come_on_time",
    GeneratesFromTheStart: "nothing_is_generated_before_the_first_refresh",
    TakesAnyRatio: "impossible_options_are_refused",
    RepairsNaN: "broken_rows_are_not_learnt",
    RaisesWithFewRows: "too_few_rows_wait",
}


def harness_of(buffer):
    harness = SB3Harness()
    harness.buffer_class = buffer
    return harness


@pytest.mark.parametrize("buffer", BROKEN, ids=lambda buffer: buffer.__name__)
def test_a_broken_adapter_is_caught_by_the_check_of_that_name(buffer, tmp_path):
    with pytest.raises((AssertionError, ValueError)) as caught:
        CHECKS[BROKEN[buffer]](Case(harness_of(buffer), "Pendulum-v1", tmp_path))
    assert len(str(caught.value)) > 10


def test_every_check_has_an_adapter_that_breaks_it():
    assert set(BROKEN.values()) == set(CHECKS)


def test_check_adapter_names_what_failed_and_goes_on(monkeypatch):
    names = ("counts_are_exact", "real_rows_stay_whole", "too_few_rows_wait")
    chosen = {name: CHECKS[name] for name in names}
    monkeypatch.setattr("synth_replay.testing.checking.checks_of", lambda _: chosen)
    harness = harness_of(OneRealRowTooMany)
    harness.env_ids = ["Pendulum-v1"]
    with pytest.raises(AdapterCheckError, match="1 checks failed:\n  counts_are_exact") as caught:
        check_adapter(harness, progress=False)
    assert list(caught.value.failures) == ["counts_are_exact[Pendulum-v1]"]
    sound = SB3Harness()
    report = check_adapter(sound, progress=False)
    assert isinstance(report, AdapterReport) and "6 checks passed" in str(report)
