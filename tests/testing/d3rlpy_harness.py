"""d3rlpy for the conformance suite."""

from __future__ import annotations

import numpy as np
from d3rlpy.dataset import FIFOBuffer, ReplayBuffer

from synth_replay import TransitionSpec
from synth_replay.testing import AdapterHarness
from synth_replay_d3rlpy import CFGMixedBuffer, SyntheticReplayBuffer, to_replay_buffer

SHARED = ("observations", "actions", "rewards", "next_observations")


class D3RLPyHarness(AdapterHarness):
    def stock(self, env, capacity, n_envs):
        return ReplayBuffer(FIFOBuffer(capacity), env=env)

    def synthetic(self, env, capacity, n_envs, **options):
        empty = self.stock(env, capacity, n_envs)
        return SyntheticReplayBuffer.wrap(empty, env=env, extra_columns=(), device="cpu", **options)

    def mixed(self, env, capacity, n_envs, offline, **options):
        return CFGMixedBuffer(offline, env=env, limit=capacity, extra_columns=(), device="cpu", **options)

    def add(self, buffer, step):
        buffer.append(step.observations[0], np.asarray(step.actions[0]), float(step.rewards[0]))
        if step.terminations[0] or step.truncations[0]:
            buffer.clip_episode(bool(step.terminations[0]))

    def sample(self, buffer, batch_size):
        batch = buffer.sample_transition_batch(batch_size)
        names = {name: name for name in (*SHARED, "intervals")}
        names["terminations"] = "terminals"
        return {ours: getattr(batch, theirs) for ours, theirs in names.items()}

    def storage(self, buffer):
        """Returns all transitions by d3rlpy's own picker; of a mixed buffer, only the online ones."""
        held = getattr(buffer, "dataset", buffer).buffer
        rows = [buffer.transition_picker(*held[i]) for i in range(held.transition_count)]
        names = {name: name.removesuffix("s") for name in SHARED} | {"terminations": "terminal"}
        columns = {ours: np.array([getattr(row, theirs) for row in rows]) for ours, theirs in names.items()}
        return {name: a.reshape(len(rows), -1).astype(np.float32) for name, a in columns.items()}

    def as_stored(self, env, rows):
        held = to_replay_buffer(rows, TransitionSpec(env.observation_space, env.action_space))
        return self.storage(held)

    def save(self, buffer, path):
        buffer.clip_episode(False)  # an episode that is running cannot be gone on with in another process
        super().save(buffer, path)
