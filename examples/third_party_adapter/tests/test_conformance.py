"""Conformance tests of the adapter."""

from __future__ import annotations

from cpprb import ReplayBuffer
from synth_replay_cpprb import SyntheticReplayBuffer
from synth_replay_cpprb.synthetic import NAMES

from synth_replay.testing import AdapterHarness, AdapterSuite


class CpprbHarness(AdapterHarness):
    """Drives the host's own buffer and ours."""

    env_counts = (1, 4)

    def stock(self, env, capacity, n_envs):
        return ReplayBuffer(capacity, self.arguments(env))

    def synthetic(self, env, capacity, n_envs, **options):
        return SyntheticReplayBuffer(capacity, self.arguments(env), env=env, **options)

    def arguments(self, env):
        """Returns the host's own arguments for an environment."""
        self.env = env
        seen, acted = env.observation_space, env.action_space
        obs = {"shape": seen.shape, "dtype": seen.dtype}
        return {
            "obs": obs,
            "act": {"shape": acted.shape or 1, "dtype": acted.dtype},
            "rew": {},
            "next_obs": obs,
            "done": {},
        }

    def add(self, buffer, step):
        columns = step.columns()
        buffer.add(**{name: columns[ours] for name, ours in NAMES.items()})

    def sample(self, buffer, batch_size):
        return self.named(buffer.sample(batch_size))

    def storage(self, buffer):
        return self.named(buffer.get_all_transitions())

    def named(self, rows):
        return {NAMES[name]: column for name, column in rows.items()}

    def save(self, buffer, path):
        self.saved = buffer
        buffer.save(path)

    def load(self, path):
        buffer = self.synthetic(self.env, self.saved.get_buffer_size(), 1)
        buffer.load(path)
        return buffer


class TestCpprb(AdapterSuite):
    """One test for each check and environment."""

    harness = CpprbHarness()
