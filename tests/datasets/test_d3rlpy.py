"""d3rlpy files against d3rlpy itself."""

import warnings

import gymnasium as gym
import h5py
import numpy as np
import pytest
from gymnasium import spaces

from synth_replay import Transitions, TransitionSpec
from synth_replay.datasets import create_dataset, open_dataset
from synth_replay.errors import DatasetError, UnsupportedSpaceError
from tests.conftest import rollout
from tests.d3rlpy.helpers import dataset as d3rlpy_dataset
from tests.datasets.helpers import assert_rows, random_rows, read, spec_and_rows, spec_of, write

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from d3rlpy.constants import ActionSpace
    from d3rlpy.dataset import Episode, InfiniteBuffer, ReplayBuffer, create_infinite_replay_buffer


def load(path, env):
    discrete = isinstance(env.action_space, spaces.Discrete)
    with path.open("rb") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ReplayBuffer.load(file, InfiniteBuffer()), discrete


def picked(buffer):
    """Every transition that d3rlpy's algorithms would see, by its own picker."""
    return [
        buffer.transition_picker(episode, i) for episode in buffer.episodes for i in range(episode.transition_count)
    ]


@pytest.mark.parametrize("env_id", ["Pendulum-v1", "CartPole-v1"])
def test_d3rlpy_loads_one_transition_per_row(env_id, tmp_path):
    spec, rows = spec_and_rows(env_id)
    buffer, discrete = load(write(tmp_path / "d.h5", spec, rows, format="d3rlpy"), gym.make(env_id))
    assert buffer.transition_count == buffer.size() == len(rows)
    expected = ActionSpace.DISCRETE if discrete else ActionSpace.CONTINUOUS
    assert buffer.dataset_info.action_space == expected
    assert buffer.dataset_info.action_size == (2 if discrete else 1)
    transitions = picked(buffer)
    ends = rows.terminations
    stack = {name: np.stack([getattr(t, name) for t in transitions]) for name in ("observation", "next_observation")}
    np.testing.assert_array_equal(stack["observation"], np.float32(rows.observations))
    np.testing.assert_array_equal(stack["next_observation"][~ends], np.float32(rows.next_observations[~ends]))
    np.testing.assert_array_equal(np.concatenate([t.action for t in transitions]), rows.actions.reshape(-1))
    np.testing.assert_array_equal(np.concatenate([t.reward for t in transitions]), np.float32(rows.rewards))
    np.testing.assert_array_equal([t.terminal for t in transitions], ends)


def test_next_actions_reach_d3rlpys_transitions(tmp_path):
    spec = spec_of("Pendulum-v1").with_extras(["next_actions"])
    rows = random_rows(spec, 30)
    buffer, _ = load(write(tmp_path / "d.h5", spec, rows, format="d3rlpy"), gym.make("Pendulum-v1"))
    found = [t.next_action for t in picked(buffer)]
    ends = rows.terminations
    np.testing.assert_array_equal(np.stack(found)[~ends], rows.next_actions[~ends])


def test_an_algorithm_of_d3rlpy_trains_on_what_we_write(tmp_path):
    import d3rlpy

    from tests.d3rlpy.helpers import train

    spec, rows = spec_and_rows()
    buffer, _ = load(write(tmp_path / "d.h5", spec, rows, format="d3rlpy"), gym.make("CartPole-v1"))
    ((_, metrics),) = train(d3rlpy.algos.DQNConfig(batch_size=32).create(), buffer, steps=3)
    assert np.isfinite(metrics["loss"])


@pytest.mark.parametrize("env_id", ["Pendulum-v1", "CartPole-v1"])
def test_what_d3rlpy_dumps_is_read_transition_by_transition(env_id, tmp_path):
    buffer = d3rlpy_dataset(env_id, 600)
    with (tmp_path / "d.h5").open("w+b") as file:
        buffer.dump(file)
    transitions = picked(buffer)
    dataset = open_dataset(tmp_path / "d.h5", action_space=spec_of(env_id).action_space)
    assert dataset.format == "d3rlpy" and len(dataset) == len(transitions) == buffer.transition_count
    found = dataset.read()
    ends = found.terminations
    np.testing.assert_array_equal(found.observations, np.stack([t.observation for t in transitions]))
    np.testing.assert_array_equal(found.actions.reshape(-1), np.concatenate([t.action for t in transitions]))
    np.testing.assert_array_equal(found.rewards, np.concatenate([t.reward for t in transitions]))
    np.testing.assert_array_equal(ends, [t.terminal for t in transitions])
    after = np.stack([t.next_observation for t in transitions])
    np.testing.assert_array_equal(found.next_observations[~ends], after[~ends])
    np.testing.assert_array_equal(found.next_observations[ends], found.observations[ends])
    assert not after[ends].any(), "d3rlpy's own stand-in is zeros"


def test_notes_tell_which_rows_were_dropped_or_filled(tmp_path):
    for env_id, note in (("Pendulum-v1", "3 last steps are dropped"), ("CartPole-v1", "terminations the last")):
        buffer = d3rlpy_dataset(env_id, 600)
        with (tmp_path / f"{env_id}.h5").open("w+b") as file:
            buffer.dump(file)
        assert any(note in n for n in open_dataset(tmp_path / f"{env_id}.h5").meta["notes"])


def test_action_types_are_told_apart_without_spaces(tmp_path):
    for env_id, expected in (("Pendulum-v1", spaces.Box), ("CartPole-v1", spaces.Discrete)):
        with (tmp_path / f"{env_id}.h5").open("w+b") as file:
            d3rlpy_dataset(env_id, 600).dump(file)
        dataset = open_dataset(tmp_path / f"{env_id}.h5")
        assert isinstance(dataset.spec.action_space, expected)
        assert dataset.read().actions.ndim == (1 if expected is spaces.Discrete else 2)


def test_spaces_that_d3rlpy_has_not_are_refused(tmp_path):
    box = spaces.Box(-1, 1, (2,))
    for spec in (TransitionSpec(spaces.Dict({"a": box}), box), TransitionSpec(box, spaces.MultiDiscrete([2, 3]))):
        with pytest.raises(DatasetError, match="d3rlpy supports array observations and Box or Discrete actions"):
            create_dataset(tmp_path / "d.h5", spec, 3, format="d3rlpy")


def test_tuple_observations_are_refused(tmp_path):
    rng = np.random.default_rng(0)
    episode = Episode((rng.random((5, 2)), rng.random((5, 3))), rng.random((5, 1)), rng.random((5, 1)), True)
    buffer = create_infinite_replay_buffer([episode])
    with (tmp_path / "d.h5").open("w+b") as file:
        buffer.dump(file)
    with pytest.raises(UnsupportedSpaceError, match="tuple observations"):
        open_dataset(tmp_path / "d.h5")


def test_a_discrete_observation_becomes_a_vector_of_one(tmp_path):
    spec = TransitionSpec(spaces.Discrete(16), spaces.Discrete(4))
    rows = random_rows(spec, 40)
    path = write(tmp_path / "d.h5", spec, rows, format="d3rlpy")
    with h5py.File(path) as file:
        assert file["observations_0"].shape[1:] == (1,)
    found: Transitions = read(path)
    ends = rows.terminations
    assert_rows(found[~ends], rows[~ends])


def test_random_rollouts_lose_only_what_d3rlpy_cannot_know(tmp_path):
    rows = rollout("Pendulum-v1", 600)
    with (tmp_path / "d.h5").open("w+b") as file:
        d3rlpy_dataset("Pendulum-v1", 600).dump(file)
    assert_rows(read(tmp_path / "d.h5", action_space=spec_of("Pendulum-v1").action_space), rows[~rows.truncations])
