"""Pixels of a real environment, and an untrained actor and critic that look at them."""

from __future__ import annotations

from functools import cache, lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

import gymnasium as gym
import numpy as np
import torch
from gymnasium import spaces
from gymnasium.wrappers import AddRenderObservation, FrameStackObservation, TransformObservation

from synth_replay.encoders import FeatureTowers, FrozenEncoder, Trunk, convolutions
from synth_replay.transitions import Transitions

SHAPE = (6, 25, 25)


def pixel_env(env_id: str = "Pendulum-v1", frames: int = 2) -> gym.Env:
    """Frames of 25 x 25, stacked, channels first."""
    env = AddRenderObservation(gym.make(env_id, render_mode="rgb_array"))
    env = FrameStackObservation(env, frames)

    def seen(stack):
        height = -(-stack.shape[1] // 25), -(-stack.shape[2] // 25)
        small = stack[:, :: height[0], :: height[1]]
        return np.concatenate([np.pad(f, ((0, 25 - f.shape[0]), (0, 25 - f.shape[1]), (0, 0))) for f in small], -1).T

    return TransformObservation(env, seen, spaces.Box(0, 255, (3 * frames, 25, 25), np.uint8))


@lru_cache
def pixel_rollout(env_id: str = "Pendulum-v1", steps: int = 250) -> Transitions:
    """Transitions of a random policy."""
    env = pixel_env(env_id)
    env.action_space.seed(0)
    observation, rows = env.reset(seed=0)[0], []
    for _ in range(steps):
        action = env.action_space.sample()
        after, reward, ended, cut, _ = env.step(action)
        rows.append((observation, action, reward, after, ended))
        observation = env.reset()[0] if ended or cut else after
    before, actions, rewards, after, ends = (np.array(column) for column in zip(*rows, strict=True))
    return Transitions(before, actions, rewards.astype(np.float32), after, ends)


def distinct_frames(env_id: str, count: int = 1_000) -> np.ndarray:
    """Stacks that all differ: frames of a rollout, each also moved sideways, because rendering thousands is slow."""
    frames = np.asarray(pixel_rollout(env_id).observations)
    found = np.unique(np.concatenate([np.roll(frames, 2 * k, axis=-1) for k in range(12)]), axis=0)
    assert len(found) >= count
    return found[np.random.default_rng(0).permutation(len(found))[:count]]


@cache
def _folder() -> TemporaryDirectory[str]:
    return TemporaryDirectory(prefix="encoders_")


def kept(encoder: FrozenEncoder) -> Path:
    """Returns the file of an encoder; encoders of equal weights share one file."""
    path = Path(_folder().name) / f"{encoder.hash}.safetensors"
    return path if path.exists() else encoder.save(path)


class Towers(FeatureTowers):
    """One set of convolutions, a trunk for the actor and one for the critic."""

    def __init__(self, architecture: str = "drq", sizes: tuple[int, int] = (8, 8), seed: int = 0) -> None:
        torch.manual_seed(seed)
        shared, count = convolutions(architecture, SHAPE)
        super().__init__({"actor": (shared, Trunk(count, sizes[0])), "critic": (shared, Trunk(count, sizes[1]))})


@lru_cache
def encoder(latent: str = "concat") -> FrozenEncoder:
    return FrozenEncoder(Towers(), SHAPE, latent, (-1, 1))
