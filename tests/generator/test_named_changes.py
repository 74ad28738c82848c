"""Changes to a generator's guidance weight and action space."""

import pickle

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

from synth_replay import TransitionGenerator
from synth_replay.errors import ConfigError, InvalidTransitionsError, SpecMismatchError
from tests.conftest import TINY
from tests.generator.test_generator import same

OBSERVED = gym.make("Pendulum-v1").observation_space


def box(bound, shape=(1,)):
    return spaces.Box(-bound, bound, shape, np.float32)


def labelled(pendulum):
    made = TransitionGenerator(OBSERVED, box(2), TINY, seed=0)
    return made.fit(pendulum, labels=np.arange(len(pendulum)) % 2)


def test_the_guidance_weight_that_is_set_is_the_one_that_sampling_uses(pendulum):
    made, other = labelled(pendulum), labelled(pendulum)
    made.set_guidance_weight(1.5)
    assert made.config.guidance.weight == 1.5
    assert np.array_equal(
        made.sample(50, label=0).observations, other.sample(50, label=0, guidance_weight=1.5).observations
    )
    with pytest.raises(ConfigError, match="at least -1"):
        made.set_guidance_weight(-2)


def test_wider_actions_can_be_fitted_and_keep_the_model_until_then(pendulum):
    wide = pendulum.map(np.copy)
    wide.actions[:50] *= 2
    made = TransitionGenerator(OBSERVED, box(2), TINY, seed=0)
    with pytest.raises(InvalidTransitionsError, match="outside"):
        made.fit(wide)
    made.widen_actions(box(3))
    made.fit(pendulum)
    assert made.spec.action_space == box(3)
    kept = pickle.loads(pickle.dumps(made))
    made.widen_actions(box(4))
    assert made.spec.action_space == pickle.loads(pickle.dumps(made)).spec.action_space == box(4)
    assert same(made.sample(40), kept.sample(40))
    made.fit(wide)
    assert np.abs(made.sample(500).actions).max() > 2


@pytest.mark.parametrize("space", [box(1), box(3, (2,)), spaces.Discrete(3)])
def test_a_narrower_space_or_one_of_another_layout_is_refused(space):
    made = TransitionGenerator(OBSERVED, box(2), TINY, seed=0)
    with pytest.raises(SpecMismatchError, match="does not contain"):
        made.widen_actions(space)


def test_bounds_that_are_rounded_to_float32_are_no_narrower():
    made = TransitionGenerator(OBSERVED, spaces.Box(-0.7, 0.7, (1,), np.float64), TINY, seed=0)
    made.widen_actions(spaces.Box(np.float32(-0.7), np.float32(0.9), (1,), np.float32))
    assert made.spec.action_space.high == np.float32(0.9)
