"""Seeds that follow a host library's own."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import torch


def seed_from_numpy() -> int:
    """A seed that follows NumPy's global stream, without drawing from it.

    Stable-Baselines3 and d3rlpy seed that stream, so that one seed of theirs fixes everything here as well.
    """
    state: Any = np.random.get_state()  # noqa: NPY002
    digest = hashlib.sha256(state[1].tobytes() + int(state[2]).to_bytes(4, "little")).digest()
    return int.from_bytes(digest[:8], "little")


def seed_from_torch() -> int:
    """A seed that follows PyTorch's global stream, without drawing from it: TorchRL draws from that one."""
    digest = hashlib.sha256(torch.random.get_rng_state().numpy().tobytes()).digest()
    return int.from_bytes(digest[:8], "little")
