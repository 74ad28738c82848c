"""Stable-Baselines3 for the conformance suite."""

from __future__ import annotations

import numpy as np
from gymnasium import spaces
from stable_baselines3.common.buffers import ReplayBuffer

from synth_replay.testing import AdapterHarness
from synth_replay_sb3 import CFGMixedBuffer, SyntheticReplayBuffer

FIELDS = {"observations": "observations", "actions": "actions", "rewards": "rewards", "dones": "terminations"}


class SB3Harness(AdapterHarness):
    env_counts = (1, 4)
    buffer_class = SyntheticReplayBuffer
    mixed_class = CFGMixedBuffer

    def stock(self, env, capacity, n_envs):
        return ReplayBuffer(capacity, env.observation_space, env.action_space, "cpu", n_envs)

    def synthetic(self, env, capacity, n_envs, **options):
        spaces_ = (env.observation_space, env.action_space)
        return self.buffer_class(capacity, *spaces_, device="cpu", n_envs=n_envs, **options)

    def mixed(self, env, capacity, n_envs, offline, **options):
        spaces_ = (env.observation_space, env.action_space)
        return self.mixed_class(capacity, *spaces_, device="cpu", n_envs=n_envs, offline=offline, **options)

    def add(self, buffer, step):
        actions, space = step.actions, buffer.action_space
        if isinstance(space, spaces.Box):  # SB3 stores actions between -1 and 1
            actions = 2 * (actions - space.low) / (space.high - space.low) - 1
        infos = [{"TimeLimit.truncated": bool(cut)} for cut in step.truncations]
        done = step.terminations | step.truncations
        buffer.add(step.observations, step.next_observations, actions, step.rewards, done, infos)

    def sample(self, buffer, batch_size):
        return self._named(buffer.sample(batch_size))

    def storage(self, buffer):
        rows = [np.repeat(np.arange(buffer.size()), buffer.n_envs), np.tile(np.arange(buffer.n_envs), buffer.size())]
        names = {"dones": buffer.dones * (1 - buffer.timeouts), "rewards": buffer.rewards}
        held = {name: names.get(name, getattr(buffer, name))[rows[0], rows[1]] for name in FIELDS}
        held["next_observations"] = buffer.next_observations[rows[0], rows[1]]
        return {FIELDS.get(name, name): column for name, column in held.items()}

    def _named(self, batch):
        held = {name: column.numpy() for name, column in batch._asdict().items() if column is not None}
        return {FIELDS.get(name, name): column for name, column in held.items()}
