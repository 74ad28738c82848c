"""An engine's state holds no pickle, is complete, and lets another engine resume exactly."""

from __future__ import annotations

import json

import numpy as np
import pytest
from gymnasium import spaces

from synth_replay.buffers import LinearSchedule
from synth_replay.buffers.engine_state import engine_state, restored_parts
from synth_replay.buffers.options import cfdg_engine, synther_engine
from synth_replay.checkpoint import to_bytes
from synth_replay.errors import CheckpointError, SpecMismatchError
from synth_replay.generator import ForwardConfig, OneStepConfig
from tests.conftest import TINY, rollout

SPACES = spaces.Box(-8, 8, (3,)), spaces.Box(-2, 2, (1,))
ONE_STEP = OneStepConfig(forward=ForwardConfig(members=2, width=8, steps=9), rewards=TINY.relabel, store_rows=200)
SETTINGS = {"mixture"}


def refreshed(make=synther_engine, rows=300, **options):
    engine = make(*SPACES, **({"generator": TINY, "progress": False, "seed": 0, "device": "cpu"} | options))
    engine.act_with(lambda observations: observations[:, :1] / 4)
    engine.notify(rows)
    engine.request_refresh()
    update(engine, rows)
    return engine


def update(engine, rows):
    held = {name: lambda: rollout("Pendulum-v1")[:rows] for name in engine.mixture.fitted}
    engine.update(held, lambda made: made.leaves())


def test_every_attribute_of_an_engine_is_either_saved_or_a_setting():
    engine = refreshed()
    tensors, meta = engine_state(engine)
    assert set(vars(engine)) == SETTINGS | set(restored_parts(engine, tensors, meta))


@pytest.mark.parametrize(
    ("make", "options"),
    [
        (synther_engine, {}),
        (synther_engine, {"generator": "dynamics_noise"}),
        (synther_engine, {"relevance": "return"}),
        (synther_engine, {"generator": ONE_STEP}),
        (cfdg_engine, {"validate": 0.1}),
    ],
)
def test_the_state_holds_only_tensors_and_text_and_resumes_exactly(make, options):
    engine, other = refreshed(make, **options), refreshed(make, **(options | {"seed": 7}))
    tensors, meta = engine_state(engine)
    assert to_bytes(tensors)
    other.take(restored_parts(other, tensors, json.loads(json.dumps(meta))))
    np.testing.assert_equal(vars(engine.stats), vars(other.stats))
    for one in (engine, other):
        one.request_refresh()
        update(one, 350)
    for name, store in engine.stores.items():
        for column, array in store.rows().items():
            np.testing.assert_array_equal(array, other.stores[name].rows()[column])
    assert np.array_equal(engine.permutation(50), other.permutation(50))


def test_schedules_and_refresh_intervals_stay_those_of_the_engine_that_reads():
    engine = refreshed(real_ratio=LinearSchedule(1.0, 0.0, 10), refresh_every=50)
    other = synther_engine(*SPACES, real_ratio=lambda step: 0.75, generator=TINY, refresh_every=70, device="cpu")
    other.take(restored_parts(other, *engine_state(engine)))
    assert other.plan(8, real=300).generated == 2 and other.steps == 300
    other.request_refresh()
    update(other, 300)
    assert other.next_refresh == 370


def test_states_of_other_mixtures_and_environments_are_refused():
    tensors, meta = engine_state(refreshed())
    with pytest.raises(CheckpointError, match="stores"):
        restored_parts(cfdg_engine(*SPACES, generator=TINY), tensors, meta)
    with pytest.raises(SpecMismatchError, match="environment"):
        restored_parts(synther_engine(SPACES[0], spaces.Discrete(2), generator=TINY), tensors, meta)
    wrong = json.loads(json.dumps(meta))
    wrong["generator"]["spec"]["observation_space"]["shape"] = [4]
    with pytest.raises(CheckpointError):
        restored_parts(synther_engine(*SPACES, generator=TINY), tensors, wrong)


def test_a_generator_of_another_class_is_refused_with_the_advice_to_pickle_the_buffer():
    engine = refreshed()
    engine.supply.generator = object()
    with pytest.raises(CheckpointError, match="pickle the buffer"):
        engine_state(engine)
