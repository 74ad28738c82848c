import gymnasium as gym
import numpy as np
import pytest

from synth_replay.augment import (
    StateAugmentation,
    additive_noise,
    dynamics_noise,
    multiplicative_noise,
)
from synth_replay.buffers.synthetic import SyntheticReplayBuffer as PlainBuffer
from synth_replay.errors import ConfigError, InvalidTransitionsError, NotFittedError
from tests.conftest import rollout


def changes(augment, rows, **kwargs):
    noisy = augment(rows, np.random.default_rng(0), **kwargs)
    for name in ("actions", "rewards", "terminations"):
        np.testing.assert_array_equal(getattr(noisy, name), getattr(rows, name))
    assert noisy.observations.dtype == rows.observations.dtype
    return noisy


def test_additive_noise_moves_both_observations_by_the_same_tenth_of_a_deviation(pendulum):
    noisy = changes(additive_noise, pendulum)
    first, second = noisy.observations - pendulum.observations, noisy.next_observations - pendulum.next_observations
    np.testing.assert_allclose(first, second, atol=1e-5)
    np.testing.assert_allclose(first.std(axis=0) / pendulum.observations.std(axis=0), 0.1, rtol=0.15)


def test_multiplicative_noise_scales_a_row_by_one_number(pendulum):
    noisy = changes(multiplicative_noise, pendulum)
    factors = np.concatenate(
        [noisy.observations / pendulum.observations, noisy.next_observations / pendulum.next_observations], 1
    )
    np.testing.assert_allclose(factors, np.broadcast_to(factors[:, :1], factors.shape), rtol=1e-4)
    assert 0.8 <= factors.min() < 0.81 and 1.19 < factors.max() <= 1.2001


def test_dynamics_noise_scales_the_step_and_keeps_the_state(pendulum):
    noisy = changes(dynamics_noise, pendulum)
    np.testing.assert_array_equal(noisy.observations, pendulum.observations)
    step, real = (r.next_observations - r.observations for r in (noisy, pendulum))
    factors = (step * real).sum(1) / (real**2).sum(1)
    np.testing.assert_allclose(step, factors[:, None] * real, atol=1e-5)
    assert 0.5 <= factors.min() < 0.52 and 1.48 < factors.max() <= 1.5


def test_augmented_rows_repeat_with_the_seed():
    rows, env = rollout("CartPole-v1"), gym.make("CartPole-v1")

    def draw():
        buffer = PlainBuffer(
            1000, env.observation_space, env.action_space, generator="additive_noise", seed=3, real_ratio=0
        )
        buffer.extend(rows)
        return buffer.sample(50).observations

    np.testing.assert_array_equal(draw(), draw())


def test_bad_input_is_refused(pendulum):
    env = gym.make("Pendulum-v1")
    with pytest.raises(ConfigError, match="additive_noise"):
        StateAugmentation(env.observation_space, env.action_space, "blur")
    augmentation = StateAugmentation(env.observation_space, env.action_space, "dynamics_noise")
    with pytest.raises(NotFittedError, match="fit"):
        augmentation.sample(3)
    with pytest.raises(InvalidTransitionsError, match="-1"):
        augmentation.fit(pendulum).sample(-1)
