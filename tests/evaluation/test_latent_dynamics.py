from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest
from sklearn.metrics import r2_score

from synth_replay.environments import PhysicsEnv, make_dmc_pixels
from synth_replay.errors import InvalidTransitionsError, SimulatorError, SpecMismatchError
from synth_replay.evaluation import StateProbe, latent_dynamics
from tests.conftest import rollout
from tests.environments.helpers import needs_rendering

FITTED = 1_000  # five episodes; the three after them are held out


def encode(states, size=12, noise=0.003):
    """A fixed random layer with tanh, and what an encoder cannot help but lose."""
    rng = np.random.default_rng(0)
    weights, shift = rng.normal(size=(states.shape[1], size)), 0.3 * rng.normal(size=size)
    latents = np.tanh(states / states.std(axis=0) @ weights / np.sqrt(states.shape[1]) + shift)
    return (latents + noise * rng.normal(size=latents.shape)).astype(np.float32)


@pytest.fixture(scope="module")
def states():
    return rollout("Pendulum-v1", steps=1_600)


@pytest.fixture(scope="module")
def latents(states):
    both = encode(np.concatenate([states.observations, states.next_observations]))
    return replace(states, observations=both[: len(states)], next_observations=both[len(states) :])


@pytest.fixture(scope="module")
def probe(states, latents):
    return StateProbe(latents.observations[:FITTED], states.observations[:FITTED])


def judged(probe, generated, latents):
    return latent_dynamics(probe, generated, latents[FITTED:], gym.make("Pendulum-v1"))


def test_the_probe_reads_states_that_it_was_not_fitted_on(probe, states, latents):
    held_out, truth = latents.observations[FITTED:], states.observations[FITTED:]
    assert (probe.score(held_out, truth) > 0.999).all()
    expected = r2_score(truth, probe(held_out), multioutput="raw_values")
    np.testing.assert_allclose(probe.score(held_out, truth), expected, atol=1e-9)


def test_the_probe_finds_a_function_that_is_not_linear_and_none_in_noise():
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (2_000, 4))
    y = np.column_stack([np.sin(3 * x[:, 0]) * x[:, 1], rng.normal(size=2_000), np.full(2_000, 5.0)])
    found = StateProbe(x[:1_500], y[:1_500])
    curved, noise, _ = found.score(x[1_500:], y[1_500:])
    assert curved > 0.98 and -0.1 < noise < 0.1
    assert (found(x)[:, 2] == 5).all()


def test_decoded_states_stay_in_the_range_of_the_fitted_ones(probe, states):
    decoded = probe(10 * np.random.default_rng(0).normal(size=(100, 12)))
    fitted = states.observations[:FITTED]
    assert (decoded >= fitted.min(axis=0)).all() and (decoded <= fitted.max(axis=0)).all()


def test_real_transitions_score_like_other_real_ones(probe, latents):
    found = judged(probe, latents[:600], latents)
    assert 0.5 < found.ratio < 1.5 and (found.per_dimension < 2).all()
    assert found.generated.shape == (600,) and found.real.shape == found.unmoved.shape == (600,)


def test_transitions_score_worse_the_less_they_follow_the_simulator(probe, latents):
    rows, rng = latents[FITTED:], np.random.default_rng(0)
    noise = rng.normal(size=rows.next_observations.shape)
    noisy = [replace(rows, next_observations=rows.next_observations + s * noise) for s in (0.0, 0.01, 0.1)]
    others = [
        replace(rows, actions=rng.permutation(rows.actions)),
        replace(rows, next_observations=rows.observations),
        replace(rows, next_observations=rng.permutation(rows.next_observations)),
    ]
    same, little, much, wrong_action, unmoved, shuffled = (judged(probe, x, latents).ratio for x in (*noisy, *others))
    assert same == 1 and 2 < little < much and wrong_action > 5
    assert 100 < unmoved < shuffled
    assert unmoved == pytest.approx(judged(probe, rows, latents).resolution)


def test_a_probe_that_reads_nothing_has_no_resolution(states, latents):
    rng = np.random.default_rng(0)
    blind = replace(latents, observations=rng.normal(size=(1_600, 3)), next_observations=rng.normal(size=(1_600, 3)))
    probe = StateProbe(blind.observations[:FITTED], states.observations[:FITTED])
    assert judged(probe, blind[:FITTED], blind).resolution < 1.5


def test_errors_by_dimension_point_at_what_is_wrong(states):
    noise = 0.01 * np.random.default_rng(0).normal(size=(len(states), 3))
    shown = replace(states, next_observations=states.next_observations + noise)  # latents that are states, nearly
    probe = StateProbe(states.observations[:FITTED], states.observations[:FITTED])
    faster = shown.next_observations[FITTED:] + np.array([0, 0, 1.0])
    found = judged(probe, replace(shown[FITTED:], next_observations=faster), shown)
    assert found.per_dimension[2] > 100 and (found.per_dimension[:2] < 2).all()


@pytest.mark.parametrize(
    "latents, states, error, text",
    [
        (np.zeros((60, 3)), np.zeros((59, 2)), SpecMismatchError, r"\(59, 2\)"),
        (np.zeros(60), np.zeros((60, 2)), SpecMismatchError, "latents"),
        (np.zeros((20, 3)), np.zeros((20, 2)), InvalidTransitionsError, "got 20"),
        (np.full((60, 3), np.nan), np.zeros((60, 2)), InvalidTransitionsError, "NaN"),
    ],
)
def test_rows_that_no_probe_can_be_fitted_on_are_refused(latents, states, error, text):
    with pytest.raises(error, match=text):
        StateProbe(latents, states)


def test_transitions_and_environments_that_do_not_fit_the_probe_are_refused(probe, states, latents):
    bad = latents.next_observations[:5].copy()
    bad[2] = np.nan
    with pytest.raises(SpecMismatchError, match="the encoder that it was fitted with"):
        judged(probe, states, latents)
    with pytest.raises(InvalidTransitionsError, match="generated is empty"):
        judged(probe, replace(latents[:5], next_observations=bad), latents)
    with pytest.raises(InvalidTransitionsError, match="generated is empty"):
        judged(probe, latents[:0], latents)
    with pytest.raises(SpecMismatchError, match="observes \\(4,\\), the probe reads 3"):
        latent_dynamics(probe, latents, latents, gym.make("CartPole-v1"))
    with pytest.raises(SimulatorError, match="set_state"):
        latent_dynamics(probe, latents, latents, gym.make("Pusher-v5"))


@needs_rendering
@pytest.mark.parametrize("domain, task", [("cheetah", "run"), ("walker", "walk")])
def test_the_physics_environment_steps_as_the_pixel_environment_does_from_any_of_its_states(domain, task):
    pixels, physics = make_dmc_pixels(domain, task, size=8, seed=0), PhysicsEnv(domain, task)
    pixels.reset(seed=0)
    pixels.action_space.seed(0)
    assert pixels.action_space == physics.action_space
    assert physics.reset()[0].shape == physics.observation_space.shape
    for _ in range(20):
        state, action = pixels.unwrapped.physics.get_state(), pixels.action_space.sample()
        _, reward, *_ = pixels.step(action)
        physics.set_state(state)
        after, own, ended, truncated, _ = physics.step(action)
        np.testing.assert_allclose(after, pixels.unwrapped.physics.get_state(), atol=1e-9)
        assert own == pytest.approx(reward, abs=1e-9) and not ended and not truncated
