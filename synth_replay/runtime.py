"""Where the work runs, which seed it starts from, and whether its progress is shown."""

from __future__ import annotations

import hashlib
import sys
from typing import Any

import numpy as np
import torch

from synth_replay.errors import ConfigError


def resolve_device(device: str | torch.device, elsewhere: bool = False) -> torch.device:
    """``auto`` to a GPU when there is one, else the CPU; anything else as torch reads it.

    Args:
        device: What was asked for.
        elsewhere: It was on another machine, whose GPUs may not be here: then the CPU.

    Raises:
        ConfigError: If torch knows no such device, or this machine has none.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        found = torch.device(device)
    except RuntimeError as error:  # torch's own text lists twenty kinds of hardware
        raise ConfigError(f"There is no device {str(device)!r}: choose one of {_devices()}.") from error
    if _usable(found):
        return found
    if elsewhere:
        return torch.device("cpu")
    raise ConfigError(f"This machine has no device {str(device)!r} that torch can use: choose one of {_devices()}.")


def _usable(device: torch.device) -> bool:
    if device.type == "cuda":  # asked of the driver: a tensor would take half a gigabyte of the GPU already
        return torch.cuda.is_available() and (device.index or -1) < torch.cuda.device_count()
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, ImportError):  # each backend has its own
        return False
    return True


def _devices() -> str:
    return ", ".join(["auto", "cpu", *(f"cuda:{number}" for number in range(torch.cuda.device_count()))])


def new_seed(seed: int | None) -> int:
    """The seed, or one of the operating system's.

    Raises:
        ConfigError: If it is negative.
    """
    if seed is not None and seed < 0:
        raise ConfigError(f"The seed must not be negative; got {seed}.")
    return int(np.random.SeedSequence().generate_state(1)[0]) if seed is None else int(seed)


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


def show_progress(progress: bool | None) -> bool:
    """None shows bars on a terminal only."""
    return sys.stderr.isatty() if progress is None else progress
