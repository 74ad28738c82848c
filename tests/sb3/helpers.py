"""Small runs of SB3 algorithms, and what a batch is told apart by."""

import gymnasium as gym
import numpy as np
import torch
from gymnasium import spaces
from sb3_contrib import QRDQN, TQC, CrossQ
from stable_baselines3 import DDPG, DQN, SAC, TD3

from synth_replay import Transitions
from synth_replay_sb3 import SyntheticReplayBuffer
from tests.conftest import TINY

KWARGS = {"generator": TINY, "refresh_every": 200, "progress": False}


NET = {"net_arch": [16]}
CONTINUOUS = [SAC, TD3, DDPG, TQC, CrossQ]
DISCRETE = [DQN, QRDQN]


def make(algorithm=SAC, env=None, buffer_class=SyntheticReplayBuffer, extra=None, **kwargs):
    env = env or ("CartPole-v1" if algorithm in DISCRETE else "Pendulum-v1")
    buffer = {"replay_buffer_kwargs": KWARGS | (extra or {})} if buffer_class is SyntheticReplayBuffer else {}
    defaults = {"learning_starts": 50, "seed": 0, "batch_size": 32, "train_freq": 10, "device": "cpu"}
    defaults |= {"policy_kwargs": dict(NET)}
    policy = kwargs.pop("policy", "MlpPolicy")
    return algorithm(policy, env, replay_buffer_class=buffer_class, **buffer, **(defaults | kwargs))


def stored_keys(buffer):
    """Every real observation as the bytes that a batch would show."""
    size = buffer.size()
    first = buffer.observations
    if isinstance(first, dict):
        first = first[next(iter(first))]
    return {row.tobytes() for row in first[:size].reshape(-1, *first.shape[2:])}


def real_mask(batch, buffer):
    observations = batch.observations
    if isinstance(observations, dict):
        observations = observations[next(iter(buffer.observations))]
    known = stored_keys(buffer)
    return np.array([row.tobytes() in known for row in observations.numpy()])


def assert_mixed(model, ratio=0.5, count=64, env=None):
    """The batch holds exactly the planned generated rows, shuffled, and looks like SB3's own."""
    buffer = model.replay_buffer
    assert buffer.stats.refreshes >= 1
    batch = buffer.sample(count, env=env)
    if env is None:
        real = real_mask(batch, buffer)
        assert real.sum() == round(ratio * count)
        assert 0 < real[: count // 2].sum() < round(ratio * count)
    reference = super(SyntheticReplayBuffer.__mro__[1], buffer).sample(count, env)
    assert type(batch) is type(reference)
    for ours, theirs in zip(batch, reference, strict=True):
        for a, b in zip(*(x.values() if isinstance(x, dict) else [x] for x in (ours, theirs)), strict=True):
            assert (a is None) == (b is None)
            if a is not None:
                assert a.dtype == b.dtype and a.shape == b.shape and a.device == b.device
                assert torch.isfinite(a.float()).all()
    return batch


class DictPendulum(gym.ObservationWrapper):
    def __init__(self):
        super().__init__(gym.make("Pendulum-v1"))
        angle, speed = spaces.Box(-1, 1, (2,)), spaces.Box(-8, 8, (1,))
        self.observation_space = spaces.Dict({"angle": angle, "speed": speed})

    def observation(self, observation):
        return {"angle": observation[:2], "speed": observation[2:]}


# -- buffers without an algorithm --------------------------------------------------------------

BOX, ACTIONS = spaces.Box(-9, 9, (3,)), spaces.Box(-1, 1, (1,))
OPTIONS = {"generator": TINY, "refresh_every": 120, "progress": False, "seed": 0, "device": "cpu"}


def batched(space, envs):
    if isinstance(space, spaces.Dict):
        return {key: batched(part, envs) for key, part in space.spaces.items()}
    return np.stack([space.sample() for _ in range(envs)])


def fill(buffer, steps=130):
    """Adds steps of random values, actions in [-1, 1] as SB3 stores them; returns the buffer."""
    n, box = buffer.n_envs, isinstance(buffer.action_space, spaces.Box)
    for _ in range(steps):
        action = np.random.uniform(-1, 1, (n, *buffer.action_space.shape)) if box else batched(buffer.action_space, n)
        before, after = (batched(buffer.observation_space, n) for _ in range(2))
        buffer.add(before, after, action, np.random.normal(size=n), np.zeros(n), [{}] * n)
    return buffer


def offline(observation_space, action_space, rows=150):
    before, after = (batched(observation_space, rows) for _ in range(2))
    return Transitions(before, batched(action_space, rows), np.random.normal(size=rows), after, np.zeros(rows, bool))
