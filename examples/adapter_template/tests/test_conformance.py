"""Conformance tests of the adapter."""

from __future__ import annotations

from synth_replay_myhost import SyntheticReplayBuffer

from synth_replay.testing import AdapterHarness, AdapterSuite

HostBuffer = object  # TODO 1, here too

NAMES = {  # TODO 9: the host's names of these columns
    "observation": "observations",
    "action": "actions",
    "reward": "rewards",
    "next_observation": "next_observations",
    "done": "terminations",
}


class MyHostHarness(AdapterHarness):
    """Drives the host's own buffer and ours."""

    def stock(self, env, capacity, n_envs):
        return HostBuffer(capacity, self.arguments(env))

    def synthetic(self, env, capacity, n_envs, **options):
        return SyntheticReplayBuffer(capacity, self.arguments(env), env=env, **options)

    def arguments(self, env):
        """Returns the host's own arguments for an environment."""
        # TODO 10
        raise NotImplementedError

    def add(self, buffer, step):
        columns = step.columns()
        buffer.add(**{name: columns[ours] for name, ours in NAMES.items()})

    def sample(self, buffer, batch_size):
        return self.named(buffer.sample(batch_size))

    def storage(self, buffer):
        # TODO 11: all stored rows, as the host gives them
        raise NotImplementedError

    def named(self, rows):
        return {NAMES[name]: column for name, column in rows.items()}

    def save(self, buffer, path):
        self.saved = buffer
        buffer.save(path)

    def load(self, path):
        # TODO 12: an empty buffer of the same arguments, then .load(path)
        raise NotImplementedError


class TestMyHost(AdapterSuite):
    """One test for each check and environment."""

    harness = MyHostHarness()
