"""Minari datasets against Minari's own iterator, and against the reader of d3rlpy that misaligns them."""

import json

import gymnasium as gym
import minari
import numpy as np
import pytest
from gymnasium import spaces
from minari.serialization import deserialize_space, serialize_space

from synth_replay import Transitions, TransitionSpec
from synth_replay.datasets import create_dataset, open_dataset
from synth_replay.datasets.minari.spaces import space_from_minari, space_to_minari
from synth_replay.errors import DatasetError, ImageObservationError, UnsupportedSpaceError
from tests.datasets.helpers import (
    DictObservations,
    assert_rows,
    random_rows,
    read,
    record_minari,
    spec_and_rows,
    spec_of,
    write,
)


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "root"))
    return tmp_path / "root"


def pendulum():
    return gym.make("Pendulum-v1", max_episode_steps=40)


def cartpole():
    """Random episodes that mostly fall, and sometimes reach the limit."""
    return gym.make("CartPole-v1", max_episode_steps=25)


def dict_pendulum():
    return DictObservations(pendulum())


def minaris_rows(dataset):
    """Every transition as Minari's own episodes hold it, one by one."""
    rows = {name: [] for name in ("observations", "next_observations")}

    def at(values, t):
        return {k: at(v, t) for k, v in values.items()} if isinstance(values, dict) else values[t]

    def stack(parts):
        if isinstance(parts[0], dict):
            return {key: stack([part[key] for part in parts]) for key in parts[0]}
        return np.stack(parts)

    episodes = list(dataset.iterate_episodes())
    for episode in episodes:
        for t in range(len(episode.rewards)):
            rows["observations"].append(at(episode.observations, t))
            rows["next_observations"].append(at(episode.observations, t + 1))
    columns = {name: stack(parts) for name, parts in rows.items()}
    for name in ("actions", "rewards", "terminations", "truncations"):
        columns[name] = np.concatenate([getattr(episode, name) for episode in episodes])
    return Transitions(**columns)


@pytest.mark.parametrize("storage", ["hdf5", "arrow", "parquet"])
@pytest.mark.parametrize("make", [pendulum, cartpole, dict_pendulum])
def test_every_transition_is_the_one_that_minari_itself_iterates(make, storage, root):
    recorded = record_minari(make(), "test/recorded-v0", storage=storage)
    wanted = minaris_rows(recorded)
    dataset = open_dataset(root / "test" / "recorded-v0")
    assert dataset.spec == TransitionSpec(recorded.observation_space, recorded.action_space)
    assert len(dataset) == recorded.total_steps == len(wanted)
    columns = ("observations", "next_observations", "actions", "rewards", "terminations", "truncations")
    assert_rows(dataset.read(), wanted, columns)
    assert_rows(Transitions.concatenate(list(dataset.chunks(33))), wanted, columns)


def test_recorded_episodes_end_in_both_ways(root):
    rows = minaris_rows(record_minari(cartpole(), "cartpole-v0", episodes=12))
    assert rows.terminations.sum() > 2 and rows.truncations.sum() > 2


@pytest.mark.parametrize("place", ["id", "folder", "data", "file"])
def test_a_dataset_is_found_by_its_id_folder_or_file(place, root):
    record_minari(pendulum(), "test/pendulum-v0", episodes=1)
    folder = root / "test" / "pendulum-v0"
    data = folder / "data"
    path = {"id": "test/pendulum-v0", "folder": folder, "data": data, "file": data / "main_data.hdf5"}[place]
    dataset = open_dataset(path)
    assert len(dataset) == 40
    assert dataset.meta["dataset_id"] == "test/pendulum-v0" and dataset.meta["algorithm_name"] == "random"


@pytest.mark.parametrize("env_id", ["Pendulum-v1", "CartPole-v1"])
def test_minari_loads_what_we_write(env_id, root):
    spec, rows = spec_and_rows(env_id, 100)
    write(root / "synthetic" / "made-v3", spec, rows, format="minari", meta={"generator": "abc"})
    loaded = minari.load_dataset("synthetic/made-v3")
    assert loaded.total_episodes == loaded.total_steps == len(rows)
    assert loaded.observation_space == spec.observation_space and loaded.action_space == spec.action_space
    assert loaded.spec.dataset_id == "synthetic/made-v3" and "synthetic/made-v3" in minari.list_local_datasets()
    assert_rows(minaris_rows(loaded), rows)
    for episode in loaded.iterate_episodes([0, 99]):
        assert episode.truncations[0] != episode.terminations[0]
    assert loaded.filter_episodes(lambda episode: episode.terminations[0]).total_steps == rows.terminations.sum()
    assert loaded.storage.metadata["synth_replay"] == {"generator": "abc"}


def test_minari_loads_dict_observations_that_we_write(root):
    env = dict_pendulum()
    spec = TransitionSpec(env.observation_space, env.action_space)
    rows = random_rows(spec, 50)
    write(root / "dicts-v0", spec, rows, format="minari")
    assert_rows(minaris_rows(minari.load_dataset("dicts-v0")), rows)


def test_a_recorded_environment_survives_conversion(root):
    record_minari(pendulum(), "real-v0", episodes=1)
    real = open_dataset("real-v0")
    with create_dataset(root / "copy-v0", real.spec, len(real), format="minari", meta=real.meta) as writer:
        writer.write(real.read())
    copy = minari.load_dataset("copy-v0")
    assert copy.recover_environment().spec.id == "Pendulum-v1"
    assert_rows(minaris_rows(copy), minaris_rows(minari.load_dataset("real-v0")))


def test_long_rows_are_stored_as_well(root):
    spec = TransitionSpec(spaces.Box(-1, 1, (20_000,), np.float32), spaces.Discrete(2))
    rows = random_rows(spec, 2)
    write(root / "long-v0", spec, rows, format="minari")
    assert_rows(minaris_rows(minari.load_dataset("long-v0")), rows)


def test_a_name_without_version_is_refused_with_a_better_one(root):
    with pytest.raises(DatasetError, match="pendulum-v0, not 'pendulum'"):
        create_dataset(root / "pendulum", spec_of("Pendulum-v1"), 3, format="minari")


@pytest.mark.parametrize(
    "space",
    [
        spaces.Box(-np.inf, np.float32(np.inf), (2, 3), np.float32),
        spaces.Box(0, 5, (2,), np.int64),
        spaces.Discrete(4, start=2),
        spaces.MultiDiscrete([2, 5]),
        spaces.MultiBinary(4),
        spaces.Dict({"b": spaces.Discrete(2), "a": spaces.Dict({"x": spaces.MultiBinary(2)})}),
    ],
    ids=str,
)
def test_spaces_mean_the_same_to_minari_and_to_us(space):
    assert space_from_minari(serialize_space(space)) == space
    assert deserialize_space(space_to_minari(space)) == space
    assert json.loads(space_to_minari(space)) == json.loads(serialize_space(space))


def test_spaces_that_cannot_be_modelled_are_named(root):
    with pytest.raises(UnsupportedSpaceError, match="Tuple"):
        space_from_minari(serialize_space(spaces.Tuple([spaces.Discrete(2)])))
    with pytest.raises(UnsupportedSpaceError, match="Text"):
        space_to_minari(spaces.Text(4))


def test_pixels_are_refused_with_a_pointer_to_encoders(root):
    class Pixels(gym.Env):
        observation_space = spaces.Box(0, 255, (32, 32, 3), np.uint8)
        action_space = spaces.Discrete(2)

        def reset(self, *, seed=None, options=None):
            super().reset(seed=seed)
            return np.zeros((32, 32, 3), np.uint8), {}

        def step(self, action):
            return np.zeros((32, 32, 3), np.uint8), 0.0, True, False, {}

    record_minari(Pixels(), "pixels-v0", episodes=2)
    with pytest.raises(ImageObservationError, match="encoder"):
        open_dataset("pixels-v0")


def test_metadata_without_spaces_leave_them_to_the_data(root):
    wanted = minaris_rows(record_minari(pendulum(), "pendulum-v0"))
    path = root / "pendulum-v0" / "data" / "metadata.json"
    metadata = json.loads(path.read_text())
    del metadata["observation_space"], metadata["action_space"]
    path.write_text(json.dumps(metadata))
    dataset = open_dataset("pendulum-v0")
    assert dataset.spec.observation_space == spaces.Box(-np.inf, np.inf, (3,), np.float32)
    assert dataset.spec.action_space.high == wanted.actions.max()
    assert_rows(dataset.read(), wanted)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_d3rlpys_own_reader_drifts_by_one_row_per_episode_and_ours_does_not(root):
    """d3rlpy.datasets.get_minari joins T + 1 observations to T actions."""
    from d3rlpy.datasets import get_minari

    dataset = record_minari(pendulum(), "pendulum-v0", episodes=5)
    episodes = list(dataset.iterate_episodes())
    theirs, _ = get_minari("pendulum-v0")
    ours = read("pendulum-v0")
    for number, (episode, drifted) in enumerate(zip(episodes, theirs.episodes, strict=True)):
        rows = ours[40 * number : 40 * (number + 1)]
        np.testing.assert_array_equal(rows.observations, episode.observations[:-1])
        np.testing.assert_array_equal(rows.actions, episode.actions)
        np.testing.assert_array_equal(drifted.actions, episode.actions)
        aligned = (drifted.observations == episode.observations[:-1]).all(axis=1).mean()
        assert aligned == (1 if number == 0 else 0)
        if number:  # their first observation of episode k lies k rows before the true one
            joined = np.concatenate([e.observations for e in episodes])
            np.testing.assert_array_equal(drifted.observations, joined[40 * number : 40 * (number + 1)])
            np.testing.assert_array_equal(joined[40 * number + number], episode.observations[0])
