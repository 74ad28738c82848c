"""CFGMixedBuffer under d3rlpy's own algorithms: pre-train with fit, fine-tune with fit_online."""

from __future__ import annotations

import pickle
import subprocess
import sys
from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest

from synth_replay import Transitions
from synth_replay.datasets import create_dataset
from synth_replay.errors import (
    ConfigError,
    DatasetError,
    InvalidTransitionsError,
    MissingColumnError,
    SpecMismatchError,
    UnsupportedBufferError,
)
from synth_replay.transitions import TransitionSpec
from synth_replay_d3rlpy import CFGMixedBuffer, SyntheticReplayBuffer, to_replay_buffer
from tests.conftest import TINY, rollout
from tests.d3rlpy.helpers import NoopAdapterFactory, d3rlpy, dataset, small, train

algos = d3rlpy.algos
SETTINGS = {"generator": TINY, "refresh_every": 200, "progress": False, "seed": 0}


def make(env_id="Pendulum-v1", offline=None, **kwargs):
    d3rlpy.seed(0)
    return CFGMixedBuffer(dataset(env_id) if offline is None else offline, **(SETTINGS | kwargs))


def tune(algorithm, env_id, buffer, steps=260):
    quiet = {"logger_adapter": NoopAdapterFactory(), "show_progress": False, "n_steps_per_epoch": steps}
    env = gym.make(env_id)
    env.reset(seed=0)
    algorithm.fit_online(env, buffer, n_steps=steps, update_interval=10, random_steps=100, **quiet)
    return algorithm


def feed(buffer, env_id="Pendulum-v1", steps=200):
    rows = rollout(env_id, seed=1)[:steps]
    for i in range(steps):
        buffer.append(rows.observations[i], np.atleast_1d(rows.actions[i]), float(rows.rewards[i]))
        if rows.terminations[i] or rows.truncations[i]:
            buffer.clip_episode(bool(rows.terminations[i]))
    return buffer


def known(data):
    return {row.tobytes() for e in data.episodes for row in np.asarray(e.observations, np.float32)}


def assert_sources(buffer, expected, count=300):
    batch = buffer.sample_transition_batch(count)
    assert np.bincount(buffer.last_sources, minlength=4).tolist() == expected
    for number, data in ((0, buffer.dataset), (1, buffer.offline_dataset)):
        rows = batch.observations[buffer.last_sources == number]
        assert {row.tobytes() for row in rows} <= known(data)
    generated = batch.observations[buffer.last_sources > 1]
    assert not {row.tobytes() for row in generated} & (known(buffer.dataset) | known(buffer.offline_dataset))
    stock = buffer.offline_dataset.sample_transition_batch(count)
    for name in ("observations", "actions", "rewards", "next_observations", "next_actions", "terminals", "intervals"):
        if name == "next_actions" and not buffer.extra_columns:
            continue  # not modelled
        ours, theirs = getattr(batch, name), getattr(stock, name)
        assert ours.shape == theirs.shape and ours.dtype == theirs.dtype and np.isfinite(ours).all(), name
    return batch


@pytest.mark.parametrize(
    "config",
    [algos.IQLConfig, algos.CalQLConfig, algos.AWACConfig, algos.TD3PlusBCConfig, algos.SACConfig, algos.DQNConfig],
    ids=lambda c: c.__name__.removesuffix("Config"),
)
def test_offline_to_online_past_a_refresh_with_exact_counts(config):
    env_id = "CartPole-v1" if config is algos.DQNConfig else "Pendulum-v1"
    offline = dataset(env_id)
    algorithm = small(config)
    train(algorithm, offline, steps=50)
    buffer = make(env_id, offline)
    tune(algorithm, env_id, buffer)
    assert buffer.stats.refreshes == 1
    assert_sources(buffer, [100, 100, 80, 20])


def test_discrete_cql_fits_on_a_mixed_batch():
    algorithm = small(algos.DiscreteCQLConfig)
    buffer = feed(make("CartPole-v1"), "CartPole-v1")
    train(algorithm, buffer, steps=50)
    assert_sources(buffer, [100, 100, 80, 20])


def test_before_the_first_step_a_batch_is_offline_and_learning_can_begin():
    buffer = make()
    assert buffer.transition_count == buffer.offline_dataset.transition_count > 256
    assert_sources(buffer, [0, 300, 0, 0])
    feed(buffer, steps=50)
    assert_sources(buffer, [180, 120, 0, 0])


def test_a_full_fifo_keeps_the_counts():
    buffer = make(limit=150)
    for _ in range(3):
        feed(buffer)
        buffer.clip_episode(False)
    assert buffer.dataset.transition_count <= 200
    assert_sources(buffer, [100, 100, 80, 20])


def test_the_columns_that_loose_rows_have_are_in_the_batches():
    rows = rollout("Pendulum-v1")
    full = replace(rows, next_actions=np.roll(rows.actions, -1, axis=0), returns_to_go=np.arange(600.0))
    buffer = feed(make(offline=full, env=gym.make("Pendulum-v1")))
    batch = buffer.sample_transition_batch(300)
    assert buffer.extra_columns == ("next_actions", "returns_to_go")
    assert np.isfinite(batch.next_actions).all() and (np.abs(batch.next_actions).max(axis=1) > 0).mean() > 0.9
    assert all(np.isfinite(t.rewards_to_go).all() for t in batch.transitions[:])
    bare = feed(make(offline=rows, env=gym.make("Pendulum-v1")))
    assert bare.extra_columns == ()
    assert np.isnan(bare.sample_transition_batch(300).next_actions[bare.last_sources > 0]).all()  # ReBRAC fails loudly
    with pytest.raises(ConfigError, match="extra_columns"):
        make(offline=rows, env=gym.make("Pendulum-v1"), extra_columns=("next_actions",))


def test_loose_rows_are_a_dataset_for_scalers_and_evaluators():
    buffer = feed(make(offline=rollout("Pendulum-v1"), env=gym.make("Pendulum-v1")))
    buffer.clip_episode(False)
    assert buffer.size() == 600 + buffer.dataset.size() == len(buffer.episodes)
    algorithm = small(algos.IQLConfig, observation_scaler=d3rlpy.preprocessing.StandardObservationScaler())
    train(algorithm, buffer, steps=10)
    assert (algorithm.observation_scaler.std > 0.1).all()


def test_whole_number_offline_rewards_do_not_cut_online_ones():
    rows = rollout("Pendulum-v1")
    whole = np.round(rows.rewards).astype(np.int64)
    offline = d3rlpy.dataset.MDPDataset(rows.observations, rows.actions, whole, rows.terminations, rows.truncations)
    buffer = feed(make(offline=offline))
    online = buffer.sample_transition_batch(300).rewards[buffer.last_sources == 0]
    assert (online != np.round(online)).any()


def test_actions_beyond_the_environments_bounds_are_mentioned_and_do_not_end_the_run():
    bound = np.full(1, 0.4, np.float32)
    env = gym.wrappers.RescaleAction(gym.make("Pendulum-v1"), -bound, bound)
    rows = rollout("Pendulum-v1")
    offline = replace(rows, actions=(rows.actions / 5).astype(np.float32))
    buffer = feed(make(offline=offline, env=env))
    with pytest.warns(UserWarning, match="action_scaler"):
        buffer.sample_transition_batch(30)
    assert buffer.stats.refreshes == 1


def test_a_resumed_buffer_does_not_join_two_episodes():
    buffer = feed(make(), steps=30)
    again = pickle.loads(pickle.dumps(buffer))
    feed(again, steps=10)
    again.clip_episode(False)
    lengths = [episode.size() for episode in again.dataset.episodes]
    assert lengths == [30, 10]


def test_an_episode_of_the_buffer_is_offline_or_online():
    buffer = feed(make())
    buffer.clip_episode(False)
    assert buffer.size() == buffer.offline_dataset.size() + buffer.dataset.size() == len(buffer.episodes)
    assert buffer.dataset_info == buffer.offline_dataset.dataset_info
    assert buffer.sample_transition().observation.shape == (3,)


def test_transitions_of_a_batch_know_their_returns_to_go():
    buffer = feed(make())
    batch = buffer.sample_transition_batch(60)
    for i in np.flatnonzero(buffer.last_sources < 2)[:20]:
        assert np.array_equal(np.float32(batch.transitions[i].observation), batch.observations[i])
        assert np.float32(batch.transitions[i].reward) == batch.rewards[i]
    assert all(np.isfinite(t.rewards_to_go).all() for t in batch.transitions[:])


def test_n_step_pickers_apply_to_both_kinds():
    picker = d3rlpy.dataset.MultiStepTransitionPicker(3, 0.9)
    buffer = feed(make(offline=dataset(transition_picker=picker)))
    batch = assert_sources(buffer, [100, 100, 80, 20])
    assert set(np.unique(batch.intervals)) <= {1, 2, 3} and (batch.intervals == 3).mean() > 0.9


def test_online_actions_beyond_the_offline_ones_are_kept():
    d3rlpy.seed(0)
    rows = rollout("Pendulum-v1")
    narrow = d3rlpy.dataset.MDPDataset(
        rows.observations, rows.actions * 0.6, rows.rewards, rows.terminations, timeouts=rows.truncations
    )
    buffer = feed(make(offline=narrow))
    assert_sources(buffer, [100, 100, 80, 20])
    assert buffer.action_space.high[0] > 1.9
    assert np.abs(buffer.engine.stores["online"].rows()["packed"][:, 3]).max() > 1.3


@pytest.mark.parametrize("as_file", [True, False])
def test_offline_data_may_be_a_file_or_rows(as_file, tmp_path):
    env = gym.make("Pendulum-v1")
    data = rollout("Pendulum-v1")
    if as_file:
        with create_dataset(tmp_path / "d.npz", TransitionSpec(env.observation_space, env.action_space), 600) as writer:
            writer.write(data)
    buffer = feed(make(offline=tmp_path / "d.npz" if as_file else data, env=env, extra_columns=()))
    assert buffer.transition_count == 600 + buffer.dataset.transition_count
    batch = buffer.sample_transition_batch(300)
    offline = batch.observations[buffer.last_sources == 1]
    assert {row.tobytes() for row in offline} <= {row.tobytes() for row in data.observations.astype(np.float32)}
    assert np.bincount(buffer.last_sources).tolist() == [100, 100, 80, 20]
    with pytest.raises(MissingColumnError, match="whole episodes"):
        list(batch.transitions)


GO_ON = """
import pickle, sys, numpy as np, d3rlpy
buffer = pickle.load(open(sys.argv[1] + "/buffer.pkl", "rb"))
d3rlpy.seed(5)
batch = buffer.sample_transition_batch(64)
np.savez(sys.argv[1] + "/batch", rewards=batch.rewards, sources=buffer.last_sources,
         steps=buffer.engine.steps, next_at=buffer.engine.next_refresh)
import gymnasium as gym
from d3rlpy.logging import NoopAdapterFactory
iql = d3rlpy.load_learnable(sys.argv[1] + "/iql.d3")
iql.fit_online(gym.make("Pendulum-v1"), buffer, n_steps=210, n_steps_per_epoch=210, update_interval=10,
               show_progress=False, logger_adapter=NoopAdapterFactory())
print(buffer.stats.refreshes, len(buffer.engine.stores["online"]))
"""


@pytest.mark.slow
def test_another_process_goes_on_with_the_same_stores_schedule_and_batch(tmp_path):
    buffer = feed(make(), steps=200)
    buffer.sample_transition_batch(32)
    (tmp_path / "buffer.pkl").write_bytes(pickle.dumps(buffer))
    iql = small(algos.IQLConfig)
    train(iql, buffer.offline_dataset, steps=5)
    iql.save(str(tmp_path / "iql.d3"))
    out = subprocess.run([sys.executable, "-c", GO_ON, str(tmp_path)], capture_output=True, text=True)
    assert out.returncode == 0, out.stderr
    assert out.stdout.strip().splitlines()[-1] == "2 400"  # it refits at 400 steps, and goes on
    theirs = np.load(tmp_path / "batch.npz")
    d3rlpy.seed(5)
    ours = buffer.sample_transition_batch(64)
    assert np.array_equal(theirs["rewards"], ours.rewards)
    assert np.array_equal(theirs["sources"], buffer.last_sources)
    assert (theirs["steps"], theirs["next_at"]) == (200, 400)


@pytest.mark.parametrize(
    ("kwargs", "error", "match"),
    [
        ({"offline": "gone.hdf5"}, DatasetError, "does not exist"),
        ({"offline": rollout("Pendulum-v1")}, ConfigError, "needs env="),
        ({"offline": 5}, ConfigError, "needs env="),
        ({"offline": rollout("Pendulum-v1"), "env": gym.make("CartPole-v1")}, SpecMismatchError, "another environment"),
        ({"env": gym.make("MountainCarContinuous-v0")}, SpecMismatchError, "another environment"),
        ({"limit": 1}, ConfigError, "limit"),
        ({"limit": 1e6}, ConfigError, "limit"),
        ({"online_ratio": 3}, ConfigError, "online_ratio"),
        ({"guidance_weight": -1.01}, ConfigError, "at least -1"),
    ],
)
def test_what_cannot_work_is_refused_before_any_work(kwargs, error, match):
    with pytest.raises(error, match=match):
        make(**kwargs)


def test_trajectories_and_loading_a_dump_are_refused_with_a_reason():
    with pytest.raises(UnsupportedBufferError, match="sequences"):
        make().sample_trajectory(10)
    with pytest.raises(UnsupportedBufferError, match="pickle"):
        CFGMixedBuffer.load(None)


def test_columns_of_whole_episodes_are_not_made_of_episodes_of_one_transition():
    space = gym.make("Pendulum-v1")
    loose = to_replay_buffer(rollout("Pendulum-v1"), TransitionSpec(space.observation_space, space.action_space))
    assert make(offline=loose).extra_columns == () == SyntheticReplayBuffer.wrap(loose, **SETTINGS).extra_columns
    for made in (
        lambda: make(offline=loose, extra_columns=("returns_to_go",)),
        lambda: SyntheticReplayBuffer.wrap(loose, extra_columns=("next_actions",), **SETTINGS),
    ):
        with pytest.raises(ConfigError, match="take whole episodes"):
            made()


def test_an_empty_offline_dataset_is_refused():
    with pytest.raises(InvalidTransitionsError):
        make(
            offline=Transitions(*(np.zeros((0, 3)), np.zeros((0, 1)), [], np.zeros((0, 3)), [])),
            env=gym.make("Pendulum-v1"),
        )
