from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces

from synth_replay import TransitionGenerator, Transitions, TransitionSpec
from synth_replay.errors import ConfigError, InvalidTransitionsError
from synth_replay.generator import RelabelConfig
from synth_replay.generator.relabel import Relabeler, fit_relabeler
from synth_replay.generator.sampling import SamplingOptions
from tests.conftest import TINY, rollout

BOX = spaces.Box(-5, 5, (2,), np.float32)
ACT = spaces.Box(-1, 1, (1,), np.float32)
BOX_OF_PENDULUM = gym.make("Pendulum-v1").observation_space
CARTPOLE = gym.make("CartPole-v1")
CPU_DEVICE = torch.device("cpu")
FAST = RelabelConfig(enabled=True, steps=800, width=64)


def known_task(obs, actions, after):
    """A reward and a termination that depend on s, a and s'; about 2 % of the rows are terminal."""
    rewards = after[:, 0] - obs[:, 0] - 0.1 * actions[:, 0] ** 2
    return rewards.astype(np.float32), np.abs(after[:, 1]) > 2.33


def nan_task(obs, actions, after):
    return np.full(len(obs), np.nan, np.float32), np.zeros(len(obs), bool)


def rows_of_known_task(n, seed, rewarded=known_task):
    rng = np.random.default_rng(seed)
    obs = rng.normal(size=(n, 2)).astype(np.float32)
    actions = rng.uniform(-1, 1, (n, 1)).astype(np.float32)
    after = (0.6 * obs + 0.8 * rng.normal(size=(n, 2))).astype(np.float32)
    return Transitions(obs, actions, *swap(rewarded(obs, actions, after), after))


def swap(labels, after):
    rewards, terminations = labels
    return rewards, after, terminations


def wrong(rows):
    return replace(rows, rewards=rows.rewards[::-1].copy(), terminations=~rows.terminations)


def test_a_relabeller_learns_rewards_and_rare_terminations_of_rows_it_has_not_seen():
    model = Relabeler(TransitionSpec(BOX, ACT), FAST, CPU_DEVICE).fit(
        rows_of_known_task(8000, 0), np.random.default_rng(0)
    )
    truth = rows_of_known_task(4000, 1)
    rows = model(wrong(truth))
    error = np.mean((rows.rewards - truth.rewards) ** 2) / truth.rewards.var()
    hits = (rows.terminations & truth.terminations).sum()
    assert error < 0.01
    assert hits / truth.terminations.sum() > 0.8 and hits / rows.terminations.sum() > 0.8
    assert rows.observations is truth.observations and rows.rewards.dtype == truth.rewards.dtype


def test_a_reward_of_few_values_only_takes_these():
    def sparse(obs, actions, after):
        return (after[:, 0] > 1).astype(np.float32) * 2 - 1, np.zeros(len(obs), bool)

    model = Relabeler(TransitionSpec(BOX, ACT), FAST, CPU_DEVICE)
    model.fit(rows_of_known_task(3000, 0, sparse), np.random.default_rng(0))
    rows = model(rows_of_known_task(1000, 1, sparse))
    assert set(np.unique(rows.rewards)) == {-1.0, 1.0}
    assert np.mean(rows.rewards == rows_of_known_task(1000, 1, sparse).rewards) > 0.97


@pytest.mark.parametrize("env_id", ["CartPole-v1", "Taxi-v4", "FrozenLake-v1"])
def test_categories_are_inputs_too(env_id):
    if env_id == "Taxi-v4" and env_id not in gym.registry:
        env_id = "Taxi-v3"
    env, real = gym.make(env_id), rollout(env_id, steps=3000)
    spec = TransitionSpec(env.observation_space, env.action_space)
    model = Relabeler(spec, FAST, CPU_DEVICE).fit(real, np.random.default_rng(0))
    found = model(real)
    assert np.mean(found.terminations == real.terminations) > 0.98
    assert np.mean(found.rewards == real.rewards) > 0.98


def generator(**changes):
    env = gym.make("Pendulum-v1")
    config = replace(TINY, relabel=replace(TINY.relabel, **changes))
    return TransitionGenerator(env.observation_space, env.action_space, config, seed=0)


def test_relabelling_changes_rewards_and_terminations_only(pendulum):
    plain = generator(enabled=False).fit(pendulum).sample(50)
    made = generator(enabled=True).fit(pendulum)
    new = made.sample(50)
    for name, column in plain.leaves().items():
        assert np.array_equal(column, new.leaves()[name]) == (name != "rewards"), name
    made.reseed(7)
    raw = made.sample(50, relabel=False)
    made.reseed(7)
    again = made.sample(50)
    assert np.array_equal(raw.observations, again.observations) and not np.array_equal(raw.rewards, again.rewards)


def test_a_function_labels_rows_by_its_own_rule(pendulum):
    path = RelabelConfig.from_function(pendulum_reward).function
    made = generator(function=path).fit(pendulum)
    rows = made.sample(100)
    assert made.config.relabel.function == f"{__name__}:pendulum_reward"
    np.testing.assert_allclose(rows.rewards, pendulum_reward(rows.observations, rows.actions, None)[0], rtol=1e-5)


def pendulum_reward(obs, actions, _after):
    """Gymnasium's Pendulum-v1, from its source."""
    angle = np.arctan2(obs[:, 1], obs[:, 0])
    return -(angle**2 + 0.1 * obs[:, 2] ** 2 + 0.001 * actions[:, 0] ** 2), np.zeros(len(obs), bool)


def test_pendulums_rewards_by_its_function_are_the_environments(pendulum):
    rewards, _ = pendulum_reward(pendulum.observations, pendulum.actions, None)
    np.testing.assert_allclose(rewards, pendulum.rewards, atol=2e-3)


def cartpole_task(_obs, _actions, after):
    """Gymnasium's CartPole-v1, from its source."""
    return np.ones(len(after), np.float32), (np.abs(after[:, 0]) > 2.4) | (np.abs(after[:, 2]) > 12 * np.pi / 180)


def test_rows_whose_termination_is_not_the_requested_one_are_resampled(cartpole):
    path = RelabelConfig.from_function(cartpole_task).function
    settings = replace(TINY, training=replace(TINY.training, steps=400), sampler=replace(TINY.sampler, steps=16))
    shares, rates = [], []
    for resamples in (0, 4):
        config = replace(settings, relabel=RelabelConfig(function=path, resamples=resamples))
        made = TransitionGenerator(CARTPOLE.observation_space, CARTPOLE.action_space, config, seed=0).fit(cartpole)
        codes = made._model.sample_conditions(2_000, None, np.random.default_rng(0))[0]
        wanted = made._model.codec.decode(np.zeros((2_000, made._model.codec.row_dim), np.float32), codes).terminations
        options = SamplingOptions.from_config(config)
        rows = made._model.sampler(options, torch.Generator().manual_seed(0)).sample(codes, None)
        assert np.array_equal(rows.terminations, cartpole_task(None, None, rows.next_observations)[1])
        shares.append((rows.terminations != wanted).mean())
        rates.append(rows.terminations.mean())
    assert shares[1] < shares[0] and rates[0] < rates[1] <= wanted.mean()


@pytest.mark.parametrize("support", ["clip", "off"])
def test_relabelled_rewards_stay_in_the_range_of_the_real_ones(support, pendulum):
    config = replace(TINY, codec=replace(TINY.codec, support=support))
    made = TransitionGenerator(BOX_OF_PENDULUM, gym.make("Pendulum-v1").action_space, config, seed=0).fit(pendulum)
    scale = made._model.relabeler.scales["rewards"]
    made._model.relabeler.scales["rewards"] = replace(scale, std=100 * scale.std)  # a model that is far off
    inside = (made.sample(300).rewards <= pendulum.rewards.max() + 1e-5).all()
    assert inside == (support == "clip")


def test_a_saved_generator_labels_as_before(pendulum, tmp_path):
    made = generator(enabled=True).fit(pendulum)
    made.save(tmp_path / "g")
    loaded = TransitionGenerator.load(tmp_path / "g")
    assert np.array_equal(loaded.sample(20).rewards, made.sample(20).rewards)


def test_rows_over_several_steps_are_left_alone(pendulum):
    rows = replace(pendulum, discounts=np.full(len(pendulum), 0.9))
    spec = generator().spec
    assert fit_relabeler(spec, rows, FAST, CPU_DEVICE, np.random.default_rng(0)) is None


def test_a_function_that_gives_nan_is_refused(pendulum):
    made = generator(function=RelabelConfig.from_function(nan_task).function).fit(pendulum)
    with pytest.raises(InvalidTransitionsError, match="not finite"):
        made.sample(10)


def test_a_function_that_cannot_be_imported_is_refused():
    with pytest.raises(ConfigError, match="top level"):
        RelabelConfig.from_function(lambda obs, actions, after: (obs, obs))


@pytest.mark.parametrize("path", ["no_such_module:f", "math:no_such_name", "math:pi", "::"])
def test_a_path_that_names_no_function_is_refused_before_any_work(path, pendulum):
    with pytest.raises(ConfigError, match=r"relabel\.function"):
        generator(function=path).fit(pendulum)


@pytest.mark.parametrize(
    "change", [{"steps": 0}, {"threshold": 1.0}, {"input_noise": -1.0}, {"width": 0}, {"resamples": -1}]
)
def test_settings_that_make_no_sense_are_refused(change):
    with pytest.raises(ConfigError, match="RelabelConfig"):
        RelabelConfig(**change)
