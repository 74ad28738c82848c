"""CFGMixedBuffer under Stable-Baselines3's own algorithms."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest
import torch
from stable_baselines3 import DQN, SAC, TD3
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.logger import configure
from stable_baselines3.common.vec_env import VecNormalize

from synth_replay import Transitions
from synth_replay.buffers import LinearSchedule
from synth_replay.datasets import create_dataset
from synth_replay.errors import (
    ConfigError,
    DatasetError,
    InvalidTransitionsError,
    SpecMismatchError,
    UnsupportedBufferError,
)
from synth_replay.transitions import TransitionSpec
from synth_replay_sb3 import CFGMixedBuffer, SyntheticReplayCallback
from tests.conftest import TINY, rollout
from tests.sb3.helpers import NET, DictPendulum, stored_keys

SHIFT = 1000.0  # offline rewards lie this much lower


def offline_data(env_id: str) -> Transitions:
    rows = rollout(env_id)
    return replace(rows, rewards=rows.rewards - SHIFT)


def make(algorithm=SAC, env=None, extra=None, offline=None, **kwargs):
    env_id = "CartPole-v1" if algorithm is DQN else "Pendulum-v1"
    buffer = {"generator": TINY, "refresh_every": 200, "progress": False}
    buffer |= {"offline": offline if offline is not None else offline_data(env_id)}
    defaults = {"learning_starts": 0, "seed": 0, "batch_size": 30, "train_freq": 10, "device": "cpu"}
    policy = kwargs.pop("policy", "MlpPolicy")
    return algorithm(
        policy,
        env or env_id,
        replay_buffer_class=CFGMixedBuffer,
        replay_buffer_kwargs=buffer | (extra or {}),
        policy_kwargs=dict(NET),
        **(defaults | kwargs),
    )


def sources(buffer, batch_size=300, env=None):
    batch = buffer.sample(batch_size, env)
    return batch, np.bincount(buffer.last_sources, minlength=4).tolist()


@pytest.mark.parametrize("algorithm", [SAC, TD3, DQN], ids=lambda a: a.__name__)
def test_every_algorithm_learns_past_a_refresh_with_exact_counts(algorithm):
    model = make(algorithm)
    model.learn(260)
    buffer = model.replay_buffer
    assert buffer.stats.refreshes == 1
    batch, counts = sources(buffer)
    assert counts == [100, 100, 80, 20]
    where = buffer.last_sources
    rewards = batch.rewards.numpy().reshape(-1)
    known = stored_keys(buffer)
    assert all(row.tobytes() in known for row in batch.observations.numpy()[where == 0])
    offline = set(offline_data("CartPole-v1" if algorithm is DQN else "Pendulum-v1").rewards.astype(np.float32))
    assert set(rewards[where == 1]) <= offline
    for number, name in ((2, "online"), (3, "offline")):
        assert set(rewards[where == number]) <= set(buffer.engine.stores[name].rows()["rewards"])
    assert (np.diff(where) != 0).mean() > 0.3
    reference = super(CFGMixedBuffer.__mro__[1], buffer).sample(300)
    for ours, theirs in zip(batch, reference, strict=True):
        assert (ours is None) == (theirs is None)
        assert ours is None or (ours.dtype, ours.shape, ours.device) == (theirs.dtype, theirs.shape, theirs.device)
    if algorithm is not DQN:
        assert batch.actions.abs().max() <= 1 and batch.actions.abs().max() > 0.9


def test_a_full_ring_keeps_the_counts():
    model = make(buffer_size=150)
    model.learn(260)
    assert model.replay_buffer.full and sources(model.replay_buffer)[1] == [100, 100, 80, 20]


def test_offline_data_may_be_a_buffer_of_sb3():
    other = SAC("MlpPolicy", "Pendulum-v1", seed=1, learning_starts=1000, device="cpu").learn(150)
    model = make(offline=other.replay_buffer)
    model.learn(0)
    batch, _ = sources(model.replay_buffer)
    theirs = {row.tobytes() for row in other.replay_buffer.observations[:150, 0]}
    assert {row.tobytes() for row in batch.observations.numpy()} <= theirs
    real = other.replay_buffer.actions[:150, 0]
    assert np.abs(np.sort(real[:, 0])[[0, -1]] - [batch.actions.min(), batch.actions.max()]).max() < 0.1


def test_rows_of_several_steps_are_not_taken_for_single_ones():
    other = SAC("MlpPolicy", "Pendulum-v1", seed=1, learning_starts=1000, n_steps=3, device="cpu").learn(150)
    with pytest.raises(InvalidTransitionsError, match="n-step transitions"):
        make(offline=other.replay_buffer)


def test_before_the_first_step_training_is_offline():
    model = make()
    model.learn(0)
    model.train(gradient_steps=3, batch_size=32)
    batch, counts = sources(model.replay_buffer)
    assert counts == [0, 300, 0, 0] and (batch.rewards < -SHIFT + 17).all()
    assert batch.observations.dtype == torch.float32


def test_offline_and_generated_rows_are_normalised_like_online_ones():
    env = VecNormalize(make_vec_env("Pendulum-v1", n_envs=1, seed=0))
    model = make(env=env)
    model.learn(260)
    batch, _ = sources(model.replay_buffer, env=env)
    raw = offline_data("Pendulum-v1")
    expected = {row.tobytes() for row in env.normalize_obs(raw.observations)}
    offline = model.replay_buffer.last_sources == 1
    assert all(row.tobytes() in expected for row in batch.observations.numpy()[offline])
    rewards = env.normalize_reward(raw.rewards.astype(np.float32))
    assert set(batch.rewards.numpy()[offline].reshape(-1)) <= set(rewards.astype(np.float32))
    for number, name in ((2, "online"), (3, "offline")):
        mine, made = model.replay_buffer.last_sources == number, model.replay_buffer.engine.stores[name].rows()
        assert mine.any()
        expected = {row.tobytes() for row in env.normalize_obs(made["observations"]).astype(np.float32)}
        assert all(row.tobytes() in expected for row in batch.observations.numpy()[mine])
        rewards = env.normalize_reward(made["rewards"].astype(np.float32)).astype(np.float32)
        assert set(batch.rewards.numpy()[mine].reshape(-1)) <= set(rewards.reshape(-1))


def test_several_environments_count_every_step():
    model = make(env=make_vec_env("Pendulum-v1", n_envs=4, seed=0), train_freq=5)
    model.learn(400)
    assert model.replay_buffer.engine.steps == 400
    assert sources(model.replay_buffer)[1] == [100, 100, 80, 20]


def test_dict_observations_are_mixed_key_by_key():
    rows = rollout("Pendulum-v1")

    def split(observations):
        return {"angle": observations[:, :2], "speed": observations[:, 2:]}

    data = replace(rows, observations=split(rows.observations), next_observations=split(rows.next_observations))
    model = make(env=DictPendulum(), policy="MultiInputPolicy", offline=data)
    model.learn(210)
    batch, counts = sources(model.replay_buffer)
    assert counts == [100, 100, 80, 20] and batch.observations["angle"].shape == (300, 2)


def test_actions_outside_minus_one_and_one_are_rescaled_as_sb3_stores_them():
    model = make()
    model.learn(0)
    batch, _ = sources(model.replay_buffer)
    scaled = np.sort(offline_data("Pendulum-v1").actions.reshape(-1) / 2)  # Pendulum's are in [-2, 2]
    actions = batch.actions.numpy().reshape(-1)
    nearest = np.searchsorted(scaled, actions).clip(1, len(scaled) - 1)
    assert np.minimum(np.abs(scaled[nearest] - actions), np.abs(scaled[nearest - 1] - actions)).max() < 1e-6


def test_figures_reach_the_logger(tmp_path):
    model = make()
    model.set_logger(configure(str(tmp_path), ["csv"]))
    model.learn(230, callback=SyntheticReplayCallback(), log_interval=1)
    model.logger.close()
    assert "synth/real_share" in (tmp_path / "progress.csv").read_text()


GO_ON = """
import sys, gymnasium as gym, numpy as np
from stable_baselines3 import SAC
model = SAC.load(sys.argv[1] + "/model", env=gym.make("Pendulum-v1"))
model.load_replay_buffer(sys.argv[1] + "/buffer")
np.random.seed(5)
batch = model.replay_buffer.sample(64)
np.savez(sys.argv[1] + "/batch", rewards=batch.rewards, sources=model.replay_buffer.last_sources,
         steps=model.replay_buffer.engine.steps, next_at=model.replay_buffer.engine.next_refresh)
model.learn(300, reset_num_timesteps=False)
print(model.replay_buffer.stats.refreshes)
"""


@pytest.mark.slow
def test_another_process_goes_on_with_the_same_stores_schedule_and_batch(tmp_path):
    data = tmp_path / "data.npz"
    space = gym.make("Pendulum-v1")
    with create_dataset(data, TransitionSpec(space.observation_space, space.action_space), 600) as writer:
        writer.write(offline_data("Pendulum-v1"))
    model = make(offline=str(data), extra={"synthetic_ratio": LinearSchedule(0.2, 0.6, 500)})
    model.learn(260)
    model.save(tmp_path / "model")
    model.save_replay_buffer(tmp_path / "buffer")
    out = subprocess.run([sys.executable, "-c", GO_ON, str(tmp_path)], capture_output=True, text=True)
    assert out.returncode == 0, out.stderr
    assert out.stdout.strip() == "2"  # refreshed again at 460 steps
    theirs = np.load(tmp_path / "batch.npz")
    np.random.seed(5)
    ours = model.replay_buffer.sample(64)
    assert np.array_equal(theirs["rewards"], ours.rewards.numpy())
    assert np.array_equal(theirs["sources"], model.replay_buffer.last_sources)
    assert (theirs["steps"], theirs["next_at"]) == (260, 400)


def test_a_model_whose_offline_file_vanished_says_so_and_can_be_loaded_without(tmp_path):
    data = tmp_path / "data.npz"
    env = gym.make("Pendulum-v1")
    with create_dataset(data, TransitionSpec(env.observation_space, env.action_space), 600) as writer:
        writer.write(offline_data("Pendulum-v1"))
    model = make(offline=str(data))
    model.save(tmp_path / "model")
    data.unlink()
    with pytest.raises(DatasetError, match=r"data\.npz does not exist"):
        SAC.load(tmp_path / "model", device="cpu")
    without = {"replay_buffer_class": None, "replay_buffer_kwargs": {}}
    loaded = SAC.load(tmp_path / "model", device="cpu", custom_objects=without)
    for a, b in zip(loaded.policy.parameters(), model.policy.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize(
    ("extra", "error", "match"),
    [
        ({"n_steps": 3}, UnsupportedBufferError, "n-step"),
        ({"n_sampled_goal": 4}, UnsupportedBufferError, "Hindsight"),
        ({"real_ratio": 0.5}, TypeError, "real_ratio"),
        ({"offline": None}, ConfigError, "needs its offline dataset"),
        ({"offline": "gone.hdf5"}, DatasetError, "does not exist"),
        ({"synthetic_ratio": -1.0}, ConfigError, "synthetic_ratio"),
    ],
)
def test_what_cannot_work_is_refused_by_name(extra, error, match):
    with pytest.raises(error, match=match):
        make(extra=extra)


def test_offline_data_of_another_environment_is_refused():
    with pytest.raises(SpecMismatchError, match="another environment"):
        make(offline=rollout("MountainCarContinuous-v0"))
