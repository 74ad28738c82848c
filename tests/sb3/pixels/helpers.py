"""Agents of frames and of latents, trained for a few steps."""

from __future__ import annotations

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3 import DQN, SAC, TD3
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor

from synth_replay_sb3 import (
    LatentDQNPolicy,
    LatentSACPolicy,
    LatentTD3Policy,
    SyntheticReplayBuffer,
    encoder_of,
)
from tests.conftest import TINY
from tests.encoders.helpers import kept, pixel_env, pixel_rollout

ARCH = [16]
MODELS = {
    "SAC": (SAC, LatentSACPolicy, "Pendulum-v1"),
    "TD3": (TD3, LatentTD3Policy, "Pendulum-v1"),
    "DQN": (DQN, LatentDQNPolicy, "CartPole-v1"),
}
LARGER = spaces.Box(0, 255, (6, 50, 50), np.uint8)  # SB3's own convolutions take no 25 x 25
# Faster learning, TD3's default of 1e-3 say, can saturate the tanh of an encoder: one latent for all frames.
SHORT = {
    "learning_rate": 1e-4,
    "batch_size": 16,
    "learning_starts": 30,
    "buffer_size": 500,
    "seed": 0,
    "device": "cpu",
}


class SmallCnn(BaseFeaturesExtractor):
    """A user's own extractor; SB3's NatureCNN wants larger frames."""

    def __init__(self, observation_space: spaces.Box) -> None:
        super().__init__(observation_space, 8)
        inside = torch.nn.Conv2d(observation_space.shape[0], 4, 5, 5)
        self.net = torch.nn.Sequential(inside, torch.nn.Flatten(), torch.nn.Linear(100, 8), torch.nn.Tanh())

    def forward(self, x):
        return self.net(x)


class RestlessCnn(SmallCnn):
    """With a layer that train mode changes."""

    def __init__(self, observation_space: spaces.Box) -> None:
        super().__init__(observation_space)
        self.net.append(torch.nn.BatchNorm1d(8))


def decided(model, rows):
    """Actions and values: the best of two actions may be one for all frames, and others be at their bounds."""
    actions = model.predict(rows, deterministic=True)[0]
    seen = torch.as_tensor(rows)
    with torch.no_grad():
        values = model.q_net(seen) if isinstance(model, DQN) else model.critic(seen, torch.zeros(len(rows), 1))[0]
    return np.column_stack([actions, values.numpy()])


def assert_alike(model, rows, other, others_rows):
    """The same decisions, which differ from row to row by far more than the tolerance."""
    expected = decided(other, others_rows)
    np.testing.assert_allclose(decided(model, rows), expected, atol=1e-5)
    assert np.ptp(expected, axis=0).max() > 1e-3


def pixel_model(name, steps=60, **kwargs):
    algorithm, _, env_id = MODELS[name]
    options = {"policy_kwargs": {"net_arch": ARCH, "features_extractor_class": SmallCnn}}
    model = algorithm("CnnPolicy", pixel_env(env_id), **SHORT | options | kwargs)
    return model.learn(steps) if steps else model


def latent_model(name, path, **kwargs):
    algorithm, policy, env_id = MODELS[name]
    options = {"encoder": path, "generator": TINY, "refresh_every": 100, "progress": False}
    return algorithm(
        policy,
        pixel_env(env_id),
        policy_kwargs={"encoder": path, "net_arch": ARCH},
        replay_buffer_class=SyntheticReplayBuffer,
        replay_buffer_kwargs=options,
        **SHORT | kwargs,
    )


def frames(name):
    return np.asarray(pixel_rollout(MODELS[name][2]).observations)


def saved(model):
    return kept(encoder_of(model, "concat"))
