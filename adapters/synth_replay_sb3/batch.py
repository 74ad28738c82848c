"""A batch in SB3's own type, put together of SB3's rows and ours."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.vec_env import VecNormalize

from synth_replay.buffers.store import HostColumns
from synth_replay.spaces import Array


def sample_fields(buffer: ReplayBuffer, rows: HostColumns, env: VecNormalize | None) -> tuple[Any, ...]:
    """Returns SB3's columns as its sample's fields, normalised as SB3 normalises real rows.

    Args:
        buffer: Buffer whose shapes and normalisation are used.
        rows: Columns of :func:`~synth_replay_sb3.conversion.host_columns`.
        env: SB3's normaliser, or None.

    Returns:
        Observations, actions, next observations, then dones, rewards and discounts (or None), each ``[n, 1]``.
    """
    before, after = (_observations(buffer, rows, name, env) for name in ("observations", "next_observations"))
    rewards = buffer._normalize_reward(rows["rewards"].reshape(-1, 1), env)
    discounts = rows["discounts"].reshape(-1, 1) if "discounts" in rows else None
    return before, rows["actions"], after, rows["dones"].reshape(-1, 1), rewards, discounts


def _observations(buffer: ReplayBuffer, rows: HostColumns, name: str, env: VecNormalize | None) -> Any:
    shapes: Any = buffer.obs_shape
    if isinstance(buffer.observation_space, spaces.Dict):
        held = {key: rows[f"{name}/{key}"].reshape(-1, *shape) for key, shape in shapes.items()}
        return buffer._normalize_obs(held, env)
    return buffer._normalize_obs(rows[name].reshape(-1, *shapes), env)


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
