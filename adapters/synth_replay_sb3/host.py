"""What our buffers leave to Stable-Baselines3, and batches put together of SB3's rows and ours."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.vec_env import VecNormalize

from synth_replay.buffers.engine import SynthesisEngine
from synth_replay.buffers.stats import SynthesisStats
from synth_replay.buffers.store import HostColumns
from synth_replay.spaces import Array
from synth_replay.transitions import Transitions
from synth_replay_sb3.conversion import host_columns
from synth_replay_sb3.pixels.encoding import FrameEncoding
from synth_replay_sb3.refusals import refuse_normalized


class HostBuffer(ReplayBuffer):
    """A buffer of SB3's that counts environment steps for an engine.

    Subclasses set ``engine``, and ``frames`` where the environment's frames are kept as latents.
    """

    engine: SynthesisEngine
    frames: FrameEncoding | None = None

    @property
    def stats(self) -> SynthesisStats:
        """Refreshes, losses and shares up to now."""
        return self.engine.stats

    def add(self, obs: Any, next_obs: Any, *args: Any, **kwargs: Any) -> None:
        """Stores a step of all environments, as SB3 does, and counts it."""
        if self.frames is not None:
            obs, next_obs = self.frames.step(obs, next_obs)
        super().add(obs, next_obs, *args, **kwargs)
        self.engine.notify(self.n_envs)

    def check_normalizer(self, env: VecNormalize | None) -> None:
        """Checks that SB3's normaliser can be applied to the rows of this buffer.

        Raises:
            ConfigError: If it normalises observations that are kept as latents.
        """
        if self.frames is not None:
            refuse_normalized(env)

    def to_host(self, rows: Transitions) -> HostColumns:
        """Returns rows in environment units as SB3's columns."""
        return host_columns(rows, self.action_space)

    def sample_fields(self, rows: HostColumns, env: VecNormalize | None) -> tuple[Any, ...]:
        """Returns SB3's columns as its sample's fields, normalised as SB3 normalises real rows."""
        before, after = (self._observations(rows, name, env) for name in ("observations", "next_observations"))
        rewards = self._normalize_reward(rows["rewards"].reshape(-1, 1), env)
        discounts = rows["discounts"].reshape(-1, 1) if "discounts" in rows else None
        return before, rows["actions"], after, rows["dones"].reshape(-1, 1), rewards, discounts

    def _observations(self, rows: HostColumns, name: str, env: VecNormalize | None) -> Any:
        shapes: Any = self.obs_shape
        if isinstance(self.observation_space, spaces.Dict):
            held = {key: rows[f"{name}/{key}"].reshape(-1, *shape) for key, shape in shapes.items()}
            return self._normalize_obs(held, env)
        return self._normalize_obs(rows[name].reshape(-1, *shapes), env)


def joined(samples: Any, fields: tuple[Any, ...], order: Array) -> Any:
    """Returns SB3's samples and other rows in one batch of SB3's type, dtypes and device, in the given order."""
    return type(samples)(*(_joined(a, b, order) for a, b in zip(samples, fields, strict=True)))


def _joined(real: Any, other: Any, order: Array) -> Any:
    if real is None:
        return None
    if isinstance(real, dict):
        return {key: _joined(value, other[key], order) for key, value in real.items()}
    if real.device.type == "cpu":  # NumPy's calls cost a third of torch's at this size
        head = real.numpy()
        return torch.from_numpy(np.concatenate((head, other), dtype=head.dtype, casting="same_kind").take(order, 0))
    tail = torch.as_tensor(other, device=real.device, dtype=real.dtype)
    return torch.cat([real, tail]).index_select(0, torch.as_tensor(order, device=real.device))
