"""Real rollouts, recorded datasets and the comparisons that the tests share."""

import warnings

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from synth_replay import Transitions, TransitionSpec
from synth_replay.datasets import create_dataset, open_dataset
from tests.conftest import rollout

with warnings.catch_warnings():  # host libraries' own deprecations at import
    warnings.simplefilter("ignore")
    import d3rlpy  # noqa: F401
    import minari
    from minari.data_collector import EpisodeBuffer

ROW_COLUMNS = ("observations", "actions", "rewards", "next_observations", "terminations")
TARGETS = {"npz": "d.npz", "d4rl": "d.hdf5", "parquet": "d", "minari": "d-v0", "d3rlpy": "d.h5"}
FLAT = ("npz", "d4rl", "parquet")


def spec_of(env_id):
    env = gym.make(env_id)
    return TransitionSpec(env.observation_space, env.action_space)


def spec_and_rows(env_id="CartPole-v1", steps=300):
    """The spec and random rows of an environment, without truncations: unrelated rows, as a generator makes them."""
    rows = rollout(env_id, steps)
    return spec_of(env_id), Transitions(**{name: getattr(rows, name) for name in ROW_COLUMNS})


def random_rows(spec, n, seed=0):
    """Rows drawn from any spec's leaves."""
    rng = np.random.default_rng(seed)

    def column(leaf):
        if leaf.name == "terminations":
            return rng.random(n) < 0.3
        if leaf.kind == "categorical":
            low, high = leaf.low.astype(int), leaf.high.astype(int)
            return rng.integers(low, high, (n, *leaf.shape), endpoint=True).astype(leaf.dtype)
        low, high = np.clip(leaf.low, -9, 9), np.clip(leaf.high, -9, 9)
        values = rng.uniform(low, high, (n, *leaf.shape)).astype(np.float32)
        return np.clip(values, low, high).astype(leaf.dtype)

    return Transitions.from_leaves({leaf.name: column(leaf) for leaf in spec.leaves})


def write(path, spec, rows, parts=3, **kwargs):
    """Writes rows in several calls."""
    with create_dataset(path, spec, len(rows), **kwargs) as writer:
        for part in np.array_split(np.arange(len(rows)), parts):
            writer.write(rows[part[0] : part[-1] + 1] if len(part) else rows[:0])
    return path


def read(path, **kwargs):
    return open_dataset(path, **kwargs).read()


def assert_rows(found, wanted, columns=ROW_COLUMNS):
    """Equal values, to the float32 that files hold."""
    got, want = found.leaves(), wanted.leaves()
    names = [name for name in want if name.split("/")[0] in columns]
    assert names and len(found) == len(wanted)
    for name in names:
        np.testing.assert_array_equal(np.float32(got[name]), np.float32(want[name]), err_msg=name)


class DictObservations(gym.ObservationWrapper):
    """Pendulum with its observation in parts."""

    def __init__(self, env):
        super().__init__(env)
        box = spaces.Box(-1, 1, (2,), np.float32)
        inner = spaces.Dict({"speed": spaces.Box(-8, 8, (1,), np.float32), "moving": spaces.Discrete(2)})
        self.observation_space = spaces.Dict({"angle": box, "body": inner})

    def observation(self, observation):
        body = {"speed": observation[2:], "moving": np.int64(abs(observation[2]) > 1)}
        return {"angle": observation[:2], "body": body}


def record_minari(env, dataset_id, episodes=6, storage="hdf5", seed=0):
    """A dataset stored by Minari itself, below MINARI_DATASETS_PATH, of random episodes that end in their own way.

    Minari's DataCollector needs jax; these are the episode buffers that it fills, and its way of storing them.
    """
    env.action_space.seed(seed)
    recorded = [_episode(env, seed + number) for number in range(episodes)]
    with warnings.catch_warnings():  # Minari's notes on missing metadata
        warnings.simplefilter("ignore")
        return minari.create_dataset_from_buffers(
            dataset_id, recorded, env=env, algorithm_name="random", data_format=storage
        )


def _episode(env, seed):
    observation, _ = env.reset(seed=seed)
    observations, steps, done = [observation], [], False
    while not done:
        action = env.action_space.sample()
        observation, *rest = env.step(action)
        observations.append(observation)
        steps.append((action, *rest[:3]))
        done = rest[1] or rest[2]
    actions, rewards, terminations, truncations = (list(column) for column in zip(*steps, strict=True))
    return EpisodeBuffer(
        observations=_stacked(observations),
        actions=np.stack(actions),
        rewards=rewards,
        terminations=terminations,
        truncations=truncations,
    )


def _stacked(parts):
    if isinstance(parts[0], dict):
        return {key: _stacked([part[key] for part in parts]) for key in parts[0]}
    return np.stack(parts)
