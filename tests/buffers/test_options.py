"""The options of a buffer are written once, and seen by users one by one."""

from __future__ import annotations

import inspect
from dataclasses import replace
from typing import get_type_hints

import gymnasium as gym
import numpy as np
import pytest
import yaml

from synth_replay.buffers import (
    CFGMixedBuffer,
    EngineOptions,
    LinearSchedule,
    MixedOptions,
    SynthesisEngine,
    SyntheticOptions,
    SyntheticReplayBuffer,
    synther_engine,
)
from synth_replay.errors import ConfigError
from tests.buffers.helpers import offline_data
from tests.conftest import TINY, rollout

ENV = gym.make("Pendulum-v1")
SPACES = ENV.observation_space, ENV.action_space


def test_the_engine_takes_every_shared_option_and_each_has_a_text():
    taken = inspect.signature(SynthesisEngine).parameters
    assert set(get_type_hints(EngineOptions)) <= set(taken)
    for options in (SyntheticOptions, MixedOptions):
        texts = f"{EngineOptions.__doc__}{options.__doc__}"
        assert all(f"        {name}: " in texts for name in get_type_hints(options))


@pytest.mark.parametrize(
    ("buffer", "options"), [(SyntheticReplayBuffer, SyntheticOptions), (CFGMixedBuffer, MixedOptions)]
)
def test_a_signature_shows_each_option_with_its_default(buffer, options):
    shown = inspect.signature(buffer).parameters
    assert set(get_type_hints(options)) <= set(shown)
    assert all(parameter.kind is not parameter.VAR_KEYWORD for parameter in shown.values())
    assert shown["refresh_every"].default == 10_000 and shown["refit"].default == "scratch"


def test_a_subclass_shows_its_own_arguments():
    class Own(SyntheticReplayBuffer):
        def __init__(self, colour):
            self.colour = colour

    class Same(SyntheticReplayBuffer):
        pass

    assert list(inspect.signature(Own).parameters) == ["colour"]
    assert inspect.signature(Same) == inspect.signature(SyntheticReplayBuffer)


@pytest.mark.parametrize(
    ("name", "hint"), [("real_ration", "did you mean 'real_ratio'"), ("colour", "it takes refresh_every")]
)
def test_an_unknown_option_names_the_most_similar_one_or_all(name, hint):
    with pytest.raises(TypeError, match=f"SyntheticReplayBuffer got an unknown argument '{name}': {hint}"):
        SyntheticReplayBuffer(10, *SPACES, **{name: 1})
    with pytest.raises(TypeError, match="CFGMixedBuffer got an unknown argument 'real_ratio'"):
        CFGMixedBuffer(10, *SPACES, offline_data(), real_ratio=1)


def test_the_share_of_real_rows_may_follow_a_schedule():
    buffer = SyntheticReplayBuffer(
        1000, *SPACES, real_ratio=LinearSchedule(1.0, 0.0, 400), refresh_every=100, generator=TINY, seed=0
    )
    rows = rollout("Pendulum-v1")
    columns = ("observations", "actions", "rewards", "next_observations", "terminations")
    shares = []
    for start in (0, 100, 200, 300):
        buffer.add(*(getattr(rows[start : start + 100], name) for name in columns))
        buffer.sample(100)
        shares.append(buffer.stats.real_share)
    assert shares == [0.75, 0.5, 0.25, 0.0]


class OnlyWhileFew:
    """A rule that looks at the rows that the host holds."""

    never = False

    def generated(self, moment):
        return 0.9 if moment.real_rows < 200 else 0.1


def test_a_new_rule_is_a_new_class_and_nothing_else():
    engine = synther_engine(*SPACES, refresh_every=100, generator=TINY, seed=0)
    engine.mixture = replace(engine.mixture, rule=OnlyWhileFew())
    engine.notify(100)
    engine.update({"real": lambda: rollout("Pendulum-v1")}, lambda rows: rows.leaves())
    assert [engine.plan(10, real=rows).generated for rows in (100, 199, 200)] == [9, 9, 1]


# -- numbers from files and command lines ------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("refresh_every", lambda buffer: buffer.engine.refresh_config.every),
        ("refit_steps", lambda buffer: buffer.engine.refresh_config.steps),
        ("fit_rows", lambda buffer: buffer.engine.refresh_config.rows),
        ("store_rows", lambda buffer: buffer.engine.supply.store_rows),
    ],
)
def test_a_count_may_be_a_float_without_a_fraction_and_other_values_are_refused(name, read):
    for given in (1e4, np.float32(1e4), np.int64(10_000)):
        found = read(SyntheticReplayBuffer(200, *SPACES, generator=TINY, **{name: given}))
        assert found == 10_000 and type(found) is int
    for wrong in (0, -5, 2.5, True, float("nan"), float("inf"), [1], "1.5.2"):
        with pytest.raises(ConfigError, match=name):
            SyntheticReplayBuffer(200, *SPACES, generator=TINY, **{name: wrong})


@pytest.mark.parametrize("name", ["refresh_every", "refit_steps", "fit_rows", "store_rows", "validate", "real_ratio"])
def test_a_number_that_arrives_as_text_is_called_text_and_written_out(name):
    text = "5e-1" if name in ("validate", "real_ratio") else "1e4"
    match = f"{name}.* is the text '{text}', not a number. Write {'0.5' if text == '5e-1' else '10000'}, without quotes"
    with pytest.raises(ConfigError, match=match):
        SyntheticReplayBuffer(200, *SPACES, generator=TINY, **{name: yaml.safe_load(text)})


def test_schedules_and_capacities_are_counts_too():
    assert LinearSchedule(0.0, 1.0, 1e3).steps == 1000
    assert SyntheticReplayBuffer(1e3, *SPACES, generator=TINY).real.capacity == 1000
    for wrong in (lambda: LinearSchedule(0.0, 1.0, "1e3"), lambda: SyntheticReplayBuffer("1e3", *SPACES)):
        with pytest.raises(ConfigError, match=r"is the text '1e3'.*Write 1000,"):
            wrong()
