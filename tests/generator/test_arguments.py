"""Invalid arguments of a generator raise one short error that names them, before any work."""

import numpy as np
import pytest

from synth_replay.errors import ConfigError, InvalidTransitionsError
from tests.generator.test_extreme_numbers import TINY, generator, rows


@pytest.fixture(scope="module")
def fitted():
    return generator(config=TINY).fit(rows(n=100))


def short(call, error, match):
    with pytest.raises(error, match=match) as caught:
        call()
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("count", ["5", "5" * 3000, None, -1, 2.5, float("nan"), True, [3], 1j])
def test_invalid_numbers_of_rows_are_refused(fitted, count):
    short(lambda: fitted.sample(count), InvalidTransitionsError, "Cannot sample .* rows: give a whole number")


@pytest.mark.parametrize("count", [10**15, 10**18, 10**30, np.uint64(2**63)])
def test_more_rows_than_the_memory_holds_are_refused_before_any_work(fitted, count):
    short(lambda: fitted.sample(count), InvalidTransitionsError, "Memory does not suffice for 1?.* rows")


@pytest.mark.parametrize("count", [0, 3, np.int64(3), np.uint8(3)])
def test_whole_numbers_of_every_type_are_taken(fitted, count):
    assert len(fitted.sample(count)) == count


@pytest.mark.parametrize("given", ["x" * 5000, None, 5, {"observations": np.zeros(3)}, np.zeros((9, 2))])
def test_values_that_are_no_transitions_are_refused(given):
    short(lambda: generator(config=TINY).fit(given), InvalidTransitionsError, "is fitted to Transitions")


@pytest.mark.parametrize("steps", ["5", 0, -1, 2.5, float("inf"), True])
def test_invalid_numbers_of_steps_are_refused(steps):
    short(lambda: generator(config=TINY).fit(rows(n=100), steps=steps), ConfigError, "steps must be a whole number")


@pytest.mark.parametrize("weight", [float("inf"), float("nan"), 1e30, "1", None])
def test_invalid_guidance_weights_are_refused_wherever_they_are_set(fitted, weight):
    if weight is not None:  # None takes the configuration's
        short(lambda: fitted.sample(3, guidance_weight=weight), ConfigError, "GuidanceConfig.weight")
    short(lambda: fitted.set_guidance_weight(weight), ConfigError, "GuidanceConfig.weight")


def test_values_that_are_no_sampler_are_refused(fitted):
    short(lambda: fitted.sample(3, sampler="heun"), ConfigError, "must be a SamplerConfig")
