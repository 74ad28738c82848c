"""Buffers that Stable-Baselines3 filled and saved, against what the environment itself saw."""

import pickle
import subprocess
import sys
import warnings

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from stable_baselines3 import DQN, SAC
    from stable_baselines3.common.buffers import ReplayBuffer
    from stable_baselines3.common.save_util import save_to_pkl
    from stable_baselines3.common.vec_env import DummyVecEnv

from synth_replay import Transitions, TransitionSpec
from synth_replay.datasets import open_dataset
from synth_replay.errors import DatasetFormatError, MissingExtraError, UntrustedDatasetError
from synth_replay_sb3 import SyntheticReplayBuffer
from tests.conftest import TINY
from tests.datasets.helpers import DictObservations, _stacked, assert_rows

COLUMNS = ("observations", "actions", "rewards", "next_observations", "terminations", "truncations")


class Recorder(gym.Wrapper):
    """Keeps every transition as it happened."""

    def __init__(self, env):
        super().__init__(env)
        self.rows = []

    def reset(self, **kwargs):
        self.last, info = self.env.reset(**kwargs)
        return self.last, info

    def step(self, action):
        after, reward, terminated, truncated, info = self.env.step(action)
        self.rows.append((self.last, np.array(action), reward, after, terminated, truncated and not terminated))
        self.last = after
        return after, reward, terminated, truncated, info

    def transitions(self):
        return Transitions(*(_stacked(list(column)) for column in zip(*self.rows, strict=True)))


def save(path, algorithm, environments, steps, policy="MlpPolicy", **kwargs):
    """Fills a buffer with real steps (and no training) and saves it; returns what the environments saw."""
    recorders = [Recorder(make()) for make in environments]
    vec = DummyVecEnv([lambda r=r: r for r in recorders])
    settings = {"learning_starts": 10**6, "seed": 0, "device": "cpu"} | kwargs
    model = algorithm(policy, vec, **settings)
    model.learn(steps)
    model.save_replay_buffer(path)
    return [recorder.transitions() for recorder in recorders]


def pendulum():
    return gym.make("Pendulum-v1", max_episode_steps=60)


def cartpole():
    return gym.make("CartPole-v1", max_episode_steps=25)


def test_actions_come_back_in_the_environments_units(tmp_path):
    (seen,) = save(tmp_path / "b.pkl", SAC, [pendulum], 200, buffer_size=1000)
    assert np.abs(seen.actions).max() > 1, "Pendulum's torque goes up to 2"
    dataset = open_dataset(tmp_path / "b.pkl", trusted=True)
    assert dataset.format == "sb3" and dataset.meta == {"notes": []} and len(dataset) == 200
    found = dataset.read()
    np.testing.assert_allclose(found.actions, seen.actions, atol=1e-6)
    assert_rows(found, seen, [name for name in COLUMNS if name != "actions"])
    assert found.truncations.sum() == 3 and not found.terminations.any()


def test_a_trained_agents_buffer_is_read_as_well(tmp_path):
    (seen,) = save(tmp_path / "b.pkl", SAC, [pendulum], 40, buffer_size=1000, learning_starts=20, batch_size=8)
    found = open_dataset(tmp_path / "b.pkl", trusted=True).read()
    np.testing.assert_allclose(found.actions, seen.actions, atol=1e-6)
    assert_rows(found, seen, ("observations", "next_observations", "rewards"))


def test_time_limits_and_true_ends_are_told_apart(tmp_path):
    (seen,) = save(tmp_path / "b.pkl", DQN, [cartpole], 400, buffer_size=1000)
    dataset = open_dataset(tmp_path / "b.pkl", trusted=True)
    env = cartpole()
    assert dataset.spec == TransitionSpec(env.observation_space, env.action_space)
    assert seen.terminations.sum() > 3 and seen.truncations.sum() > 3
    assert_rows(dataset.read(), seen, COLUMNS)


def test_a_wrapped_ring_is_read_from_the_oldest_row(tmp_path):
    (seen,) = save(tmp_path / "b.pkl", DQN, [cartpole], 250, buffer_size=100)
    dataset = open_dataset(tmp_path / "b.pkl", trusted=True)
    assert_rows(dataset.read(), seen[-100:], COLUMNS)
    assert_rows(Transitions.concatenate(list(dataset.chunks(33))), seen[-100:], COLUMNS)


@pytest.mark.parametrize(("steps", "kept"), [(300, 150), (240, 120)])
def test_rows_of_several_environments_stand_side_by_side(steps, kept, tmp_path):
    first, second = save(tmp_path / "b.pkl", DQN, [cartpole, cartpole], steps, buffer_size=300)
    dataset = open_dataset(tmp_path / "b.pkl", trusted=True)
    found = dataset.read()
    assert len(dataset) == 2 * kept
    assert_rows(found[0::2], first[-kept:], COLUMNS)
    assert_rows(found[1::2], second[-kept:], COLUMNS)


class FlatDict(DictObservations):
    """Its parts without a dict in the dict, which Stable-Baselines3 does not take."""

    def __init__(self, env):
        super().__init__(env)
        nested = self.observation_space.spaces
        self.observation_space = spaces.Dict({"angle": nested["angle"], **nested["body"].spaces})

    def observation(self, observation):
        nested = super().observation(observation)
        return {"angle": nested["angle"], **nested["body"]}


def test_dict_observations_are_read(tmp_path):
    environments = [lambda: FlatDict(pendulum())]
    (seen,) = save(tmp_path / "b.pkl", SAC, environments, 100, "MultiInputPolicy", buffer_size=1000)
    found = open_dataset(tmp_path / "b.pkl", trusted=True).read()
    assert set(found.observations) == {"angle", "moving", "speed"} and found.observations["moving"].shape == (100,)
    assert_rows(found, seen, ("observations", "next_observations", "rewards"))


@pytest.mark.parametrize("steps", [80, 250])
def test_a_memory_saving_buffer_loses_only_the_row_that_it_overwrote(steps, tmp_path):
    """SB3 itself never samples the oldest row of such a ring: its observation is gone."""
    kwargs = {"optimize_memory_usage": True, "replay_buffer_kwargs": {"handle_timeout_termination": False}}
    (seen,) = save(tmp_path / "b.pkl", DQN, [cartpole], steps, buffer_size=100, **kwargs)
    dataset = open_dataset(tmp_path / "b.pkl", trusted=True)
    wanted = seen[-99:] if steps > 100 else seen
    found = dataset.read()
    assert_rows(found, wanted, ("observations", "actions", "rewards"))
    ends = wanted.terminations | wanted.truncations
    np.testing.assert_array_equal(found.terminations, ends)
    np.testing.assert_array_equal(found.next_observations[~ends], wanted.next_observations[~ends])
    np.testing.assert_array_equal(found.next_observations[ends], found.observations[ends])
    limits, shared = dataset.meta["notes"]
    assert "time limit counts as a termination" in limits and "last observation is used" in shared


@pytest.mark.parametrize(
    "space", [spaces.Box(-2, 3, (2, 3)), spaces.Box(0, 4, (1, 1)), spaces.MultiBinary(4), spaces.MultiDiscrete([2, 3])]
)
def test_actions_of_any_shape_are_read_in_the_shape_and_units_of_their_space(space, tmp_path):
    box = isinstance(space, spaces.Box)
    seen = np.array([space.sample() for _ in range(120)])
    stored = 2 * (seen - space.low) / (space.high - space.low) - 1 if box else seen
    buffer = ReplayBuffer(200, spaces.Box(-1, 1, (3,)), space, device="cpu")
    for action in stored:
        observation = np.random.uniform(-1, 1, (1, 3))
        buffer.add(observation, observation, action[None], np.ones(1), np.zeros(1), [{}])
    save_to_pkl(tmp_path / "b.pkl", buffer)
    found = open_dataset(tmp_path / "b.pkl", trusted=True).read()
    assert found.actions.shape == (120, *space.shape) and found.actions.dtype == space.dtype
    np.testing.assert_allclose(found.actions, seen, atol=1e-5)


def test_our_own_buffer_gives_its_real_rows(tmp_path):
    buffer = {"replay_buffer_class": SyntheticReplayBuffer, "replay_buffer_kwargs": {"generator": TINY}}
    (seen,) = save(tmp_path / "b.pkl", DQN, [cartpole], 60, buffer_size=100, **buffer)
    assert_rows(open_dataset(tmp_path / "b.pkl", trusted=True).read(), seen, COLUMNS)


def test_an_untrusted_pickle_is_not_loaded(tmp_path):
    class Bomb:
        def __reduce__(self):
            return exec, ("raise SystemExit('the pickle ran')",)

    (tmp_path / "b.pkl").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(UntrustedDatasetError, match=r"runs the code in it.*trusted=True"):
        open_dataset(tmp_path / "b.pkl")


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (pickle.dumps({"observations": 1}), "holds a dict, not a replay buffer"),
        (pickle.dumps(np.zeros(1000))[:200], "cut short|no pickled"),
        (b"no pickle at all", "cut short|no pickled"),
        (b"", "cut short|no pickled"),
    ],
)
def test_other_pickles_are_refused(content, error, tmp_path):
    (tmp_path / "b.pkl").write_bytes(content)
    with pytest.raises(DatasetFormatError, match=error):
        open_dataset(tmp_path / "b.pkl", trusted=True)


def test_an_empty_buffer_is_refused(tmp_path):
    model = DQN("MlpPolicy", "CartPole-v1", buffer_size=10, device="cpu")
    model.save_replay_buffer(tmp_path / "b.pkl")
    with pytest.raises(DatasetFormatError, match="holds no transitions"):
        open_dataset(tmp_path / "b.pkl", trusted=True)


def test_without_stable_baselines3_the_pip_command_is_named(tmp_path):
    """In a process where the library cannot be imported."""
    save(tmp_path / "b.pkl", DQN, [cartpole], 30, buffer_size=100)
    script = (
        "import sys; sys.modules['stable_baselines3'] = None\n"
        "from synth_replay.datasets import open_dataset\n"
        "try:\n"
        "    open_dataset(sys.argv[1], trusted=True)\n"
        "except Exception as error:\n"
        "    print(type(error).__name__, error)\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "b.pkl")]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert out.startswith(MissingExtraError.__name__) and 'pip install "synth-replay[sb3]"' in out
