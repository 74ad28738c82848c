import pickle
import tracemalloc
import zipfile

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3 import DQN, SAC
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.env_util import make_vec_env

from synth_replay import TransitionGenerator, Transitions
from synth_replay.errors import (
    InvalidTransitionsError,
    SpecMismatchError,
)
from synth_replay_sb3 import SyntheticReplayBuffer
from synth_replay_sb3.conversion import stored_transitions
from tests.conftest import TINY, rollout
from tests.sb3.helpers import KWARGS, DictPendulum, assert_mixed, make, real_mask


def test_rows_for_an_n_step_fit_equal_sb3s_own_samples():
    env = make_vec_env("CartPole-v1", n_envs=2, seed=0)
    model = make(DQN, env=env, extra={"n_steps": 3, "gamma": 0.9})
    model.learn(120)
    buffer = model.replay_buffer
    rows = stored_transitions(buffer)
    assert len(rows) == 2 * buffer.size()
    by_observation = {rows.observations[i].tobytes(): i for i in range(len(rows))}
    sample = super(SyntheticReplayBuffer.__mro__[1], buffer).sample(200)
    for i in range(200):
        j = by_observation[sample.observations[i].numpy().tobytes()]
        assert sample.rewards[i].item() == pytest.approx(rows.rewards[j], rel=1e-6)
        assert sample.discounts[i].item() == pytest.approx(rows.discounts[j], rel=1e-6)
        assert np.array_equal(sample.next_observations[i].numpy(), rows.next_observations[j])
        assert bool(sample.dones[i]) == rows.terminations[j]


def test_reading_all_rows_copies_them_once():
    space, rows = spaces.Box(-1, 1, (40,)), 20_000
    buffer = ReplayBuffer(rows, space, spaces.Box(-1, 1, (1,)), device="cpu")
    buffer.full = True
    tracemalloc.start()
    try:
        found = stored_transitions(buffer)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1.3 * sum(column.nbytes for column in found.leaves().values())


def test_memory_optimised_storage_works_and_its_invalid_row_is_not_fitted():
    kwargs = {"handle_timeout_termination": False}
    model = make(optimize_memory_usage=True, extra=kwargs, buffer_size=210)
    model.learn(260)
    assert_mixed(model)
    buffer = model.replay_buffer
    rows = stored_transitions(buffer)
    assert buffer.full and len(rows) == 209
    assert not (rows.observations == buffer.observations[buffer.pos, 0]).all(axis=1).any()


def test_a_wrapped_ring_is_read_whole_and_in_order():
    model = make(buffer_size=150, extra={"real_ratio": 1.0})
    model.learn(200)
    rows = stored_transitions(model.replay_buffer)
    assert len(rows) == 150
    same_episode = ~(rows.terminations[:-1] | (np.arange(149) == -1))
    linked = (rows.next_observations[:-1] == rows.observations[1:]).all(axis=1)
    assert linked[same_episode].mean() > 0.98  # all but time limits


def test_time_limits_are_not_fitted_as_ends():
    model = make(env=gym.wrappers.TimeLimit(gym.make("Pendulum-v1"), 20))
    model.learn(260)
    buffer = model.replay_buffer
    assert buffer.dones.sum() > 5 and not stored_transitions(buffer).terminations.any()
    assert model.replay_buffer.sample(200).dones.sum() == 0


def test_actions_are_fitted_in_environment_units_and_stored_in_sb3s():
    model = make()
    model.learn(260)
    rows = stored_transitions(model.replay_buffer)
    assert 1.5 < np.abs(rows.actions).max() <= 2
    np.testing.assert_allclose(rows.actions[:, 0], 2 * model.replay_buffer.actions[:260, 0, 0], rtol=1e-5)
    assert np.abs(model.replay_buffer.engine.generator.sample(500).actions).max() > 1.2
    assert np.abs(model.replay_buffer.engine.stores["all"].rows()["actions"]).max() <= 1


def test_a_loaded_replay_buffer_goes_on_where_it_stopped(tmp_path):
    model = make()
    model.learn(260)
    model.save_replay_buffer(tmp_path / "buffer")
    other = make()
    other.load_replay_buffer(tmp_path / "buffer")
    a, b = model.replay_buffer, other.replay_buffer
    for _ in range(3):
        np.random.seed(1)
        x = a.sample(32)
        np.random.seed(1)
        y = b.sample(32)
        assert torch.equal(x.observations, y.observations) and torch.equal(x.rewards, y.rewards)
    assert b.stats.refreshes == a.stats.refreshes and b.engine.next_refresh == a.engine.next_refresh
    other.learn(200, reset_num_timesteps=False)
    assert b.stats.refreshes == a.stats.refreshes + 1


@pytest.mark.parametrize("extra", [{}, {"n_steps": 2}])
def test_a_saved_model_holds_no_generator_and_loads_with_the_class(tmp_path, extra):
    model = make(extra=extra)
    model.learn(260)
    model.save(tmp_path / "model.zip")
    plain = make(buffer_class=None)
    plain.save(tmp_path / "plain.zip")
    size, reference = ((tmp_path / f"{n}.zip").stat().st_size for n in ("model", "plain"))
    assert size < reference + 20_000
    with zipfile.ZipFile(tmp_path / "model.zip") as archive:
        assert not any("generator" in name or "safetensors" in name for name in archive.namelist())
    loaded = SAC.load(tmp_path / "model.zip", env=gym.make("Pendulum-v1"))
    assert type(loaded.replay_buffer) is type(model.replay_buffer)
    loaded.learn(260)
    assert loaded.replay_buffer.stats.refreshes == 1


def test_dict_buffers_survive_pickling():
    buffer = make(env=DictPendulum(), policy="MultiInputPolicy").replay_buffer
    assert type(pickle.loads(pickle.dumps(buffer))) is type(buffer)


# -- offline ----------------------------------------------------------------------------------


@pytest.mark.parametrize("env_id", ["Pendulum-v1", "CartPole-v1"])
def test_offline_training_from_transitions(env_id):
    rows = rollout(env_id)
    model = make(DQN if env_id == "CartPole-v1" else SAC, env=env_id)
    model.replay_buffer = SyntheticReplayBuffer.from_transitions(
        rows, model.observation_space, model.action_space, device="cpu", **KWARGS
    )
    model.learn(0)
    model.train(gradient_steps=5, batch_size=32)
    assert_mixed(model)
    back = stored_transitions(model.replay_buffer)
    np.testing.assert_array_equal(back.observations, rows.observations)
    np.testing.assert_allclose(back.actions, rows.actions, atol=1e-6)
    np.testing.assert_array_equal(back.terminations, rows.terminations)


def test_preloading_divides_rows_among_environments_and_refuses_what_does_not_fit(pendulum):
    model = make(env=make_vec_env("Pendulum-v1", n_envs=2), buffer_size=1000)
    model.replay_buffer.preload(pendulum)
    assert model.replay_buffer.pos == 300
    np.testing.assert_allclose(stored_transitions(model.replay_buffer).rewards, pendulum.rewards, rtol=1e-6)
    with pytest.raises(InvalidTransitionsError, match="room for 400"):
        model.replay_buffer.preload(pendulum)
    with pytest.raises(InvalidTransitionsError, match="n_envs=2"):
        model.replay_buffer.preload(pendulum[:7])
    with pytest.raises(SpecMismatchError):
        model.replay_buffer.preload(rollout("CartPole-v1"))


def test_preloaded_n_step_returns_do_not_cross_into_other_episodes():
    n = 120
    rewards = np.ones(n)
    obs = np.random.default_rng(0).standard_normal((n, 3)).astype(np.float32)
    cut = np.arange(n) % 10 == 9
    rows = Transitions(obs, np.zeros((n, 1), np.float32), rewards, obs, np.zeros(n), truncations=cut)
    env = gym.make("Pendulum-v1")
    buffer = SyntheticReplayBuffer.from_transitions(
        rows, env.observation_space, env.action_space, n_steps=4, gamma=1.0, buffer_size=200, **KWARGS
    )
    found = stored_transitions(buffer).rewards
    np.testing.assert_array_equal(found, np.minimum(4, 10 - np.arange(n) % 10))


def test_preloading_into_memory_optimised_storage_is_refused(pendulum):
    model = make(optimize_memory_usage=True, extra={"handle_timeout_termination": False}, buffer_size=1000)
    with pytest.raises(InvalidTransitionsError, match="optimize_memory_usage"):
        model.replay_buffer.preload(pendulum)


def test_dict_observations_can_be_preloaded(pendulum):
    env = DictPendulum()

    def split(values):
        return {"angle": values[:, :2], "speed": values[:, 2:]}

    columns = pendulum.columns() | {n: split(getattr(pendulum, n)) for n in ("observations", "next_observations")}
    rows = Transitions(**columns)
    buffer = SyntheticReplayBuffer.from_transitions(rows, env.observation_space, env.action_space, **KWARGS)
    back = stored_transitions(buffer)
    np.testing.assert_array_equal(back.observations["speed"], rows.observations["speed"])


def test_a_saved_generator_is_used_from_the_first_batch(pendulum, tmp_path):
    env = gym.make("Pendulum-v1")
    TransitionGenerator(env.observation_space, env.action_space, TINY, seed=0).fit(pendulum).save(tmp_path / "g")
    model = make(extra={"generator": str(tmp_path / "g"), "refresh_every": 10_000})
    model.learn(100)
    assert real_mask(model.replay_buffer.sample(64), model.replay_buffer).sum() == 32
    with pytest.raises(SpecMismatchError):
        make(DQN, extra={"generator": str(tmp_path / "g")})


# -- logging and refusals ---------------------------------------------------------------------


def test_a_plain_sb3_buffer_can_be_read(pendulum):
    env = gym.make("Pendulum-v1")
    buffer = ReplayBuffer(100, env.observation_space, env.action_space, device="cpu")
    for i in range(50):
        before, after, scaled = pendulum.observations[i], pendulum.next_observations[i], pendulum.actions[i] / 2
        buffer.add(before, after, scaled, pendulum.rewards[i], np.array([False]), [{}])
    np.testing.assert_allclose(stored_transitions(buffer).actions, pendulum.actions[:50], rtol=1e-6)
