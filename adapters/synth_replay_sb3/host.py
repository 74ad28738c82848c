"""Generated rows as fields of SB3's samples, and batches put together of several parts."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.vec_env import VecNormalize

from synth_replay.buffers.engine import SynthesisEngine
from synth_replay.errors import ConfigError
from synth_replay.spaces import Array
from synth_replay.transitions import Transitions
from synth_replay_sb3.conversion import host_columns
from synth_replay_sb3.pixels.latent_rows import FrameEncoding


class HostRows:
    """What our buffers add to whichever of SB3's buffers they inherit from."""

    engine: SynthesisEngine
    frames: FrameEncoding | None = None  # of environments whose observations are kept as latents

    def add(self, obs: Any, next_obs: Any, *args: Any, **kwargs: Any) -> None:
        """Stores a step of all environments, as SB3 does, and counts it."""
        if self.frames is not None:
            obs, next_obs = self.frames.step(obs, next_obs)
        super().add(obs, next_obs, *args, **kwargs)  # type: ignore[misc]
        self.engine.notify(self.n_envs)  # type: ignore[attr-defined]

    def refuse_normalized(self, env: VecNormalize | None) -> None:
        """Latents are not what VecNormalize has seen.

        Raises:
            ConfigError: If it normalises observations that are kept as latents.
        """
        if self.frames is not None and env is not None and env.norm_obs:
            raise ConfigError("An encoder sees frames as they are: use VecNormalize(norm_obs=False).")

    def to_host(self, rows: Transitions) -> dict[str, Array]:
        """Rows in environment units as SB3's columns."""
        return host_columns(rows, self.action_space)  # type: ignore[attr-defined]

    def sample_fields(self, rows: dict[str, Array], env: VecNormalize | None) -> tuple[Any, ...]:
        """SB3's columns as its sample's fields, normalised as SB3 normalises real rows."""
        host: Any = self
        before, after = (self._observations(rows, name, env) for name in ("observations", "next_observations"))
        rewards = host._normalize_reward(rows["rewards"].reshape(-1, 1), env)
        discounts = rows["discounts"].reshape(-1, 1) if "discounts" in rows else None
        return before, rows["actions"], after, rows["dones"].reshape(-1, 1), rewards, discounts

    def _observations(self, rows: dict[str, Array], name: str, env: VecNormalize | None) -> Any:
        host: Any = self
        if isinstance(host.observation_space, spaces.Dict):
            held = {k: rows[f"{name}/{k}"].reshape(-1, *host.obs_shape[k]) for k in host.obs_shape}
            return host._normalize_obs(held, env)
        return host._normalize_obs(rows[name].reshape(-1, *host.obs_shape), env)


def joined(samples: Any, fields: tuple[Any, ...], order: Array) -> Any:
    """SB3's samples and other rows in one batch of SB3's type, dtypes and device, in the given order."""
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
