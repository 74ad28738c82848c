"""TorchRL for the conformance suite."""

from __future__ import annotations

import numpy as np
import torch
from tensordict import TensorDict
from torchrl.data import LazyTensorStorage, TensorDictReplayBuffer
from torchrl.envs import GymWrapper

from synth_replay.testing import AdapterHarness
from synth_replay_torchrl import CFGMixedBuffer, SyntheticReplayBuffer

NAMES = {
    "observation": "observations",
    "action": "actions",
    ("next", "reward"): "rewards",
    ("next", "observation"): "next_observations",
    ("next", "terminated"): "terminations",
}

FRAMES = 40  # of one call; steps of 1 and of 4 environments fit


class TorchRLHarness(AdapterHarness):
    env_counts = (1, 4)

    def stock(self, env, capacity, n_envs):
        return TensorDictReplayBuffer(storage=LazyTensorStorage(capacity))

    def synthetic(self, env, capacity, n_envs, **options):
        storage = LazyTensorStorage(capacity)
        return SyntheticReplayBuffer(env=GymWrapper(env), storage=storage, device="cpu", **options)

    def mixed(self, env, capacity, n_envs, offline, **options):
        storage = LazyTensorStorage(capacity)
        return CFGMixedBuffer(offline, env=GymWrapper(env), storage=storage, device="cpu", **options)

    def add(self, buffer, step):
        count = len(step)
        flags = {"terminated": step.terminations, "truncated": step.truncations}
        flags["done"] = step.terminations | step.truncations
        action = torch.as_tensor(step.actions)
        action = torch.nn.functional.one_hot(action, 2) if action.ndim == 1 else action
        after = {name: torch.as_tensor(value)[:, None] for name, value in flags.items()}
        after["observation"] = torch.as_tensor(step.next_observations)
        after["reward"] = torch.as_tensor(step.rewards.astype(np.float32))[:, None]
        before = {name: torch.zeros(count, 1, dtype=torch.bool) for name in flags}
        before |= {"observation": torch.as_tensor(step.observations), "action": action}
        buffer.extend(TensorDict(before | {"next": TensorDict(after, [count])}, [count]))

    def add_many(self, buffer, rows, n_envs):
        """As collectors do it: the steps of some time in one call, and what is left over step by step."""
        whole = len(rows) // FRAMES * FRAMES
        for i in range(0, whole, FRAMES):
            self.add(buffer, rows[i : i + FRAMES])
        super().add_many(buffer, rows[whole:], n_envs)

    def sample(self, buffer, batch_size):
        return self._named(buffer.sample(batch_size))

    def storage(self, buffer):
        held = self._named(buffer.storage[: len(buffer)].clone())
        return held

    def _named(self, rows):
        return {NAMES.get(key, str(key)): value.numpy() for key, value in rows.items(True, True) if key != "index"}
