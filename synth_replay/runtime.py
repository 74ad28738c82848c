"""Device, seed, progress bars and messages of a run."""

from __future__ import annotations

import hashlib
import logging
import sys
from typing import Any

import numpy as np
import torch

from synth_replay.errors import ConfigError


def resolve_device(device: str | torch.device, fall_back: bool = False) -> torch.device:
    """Resolves the name of a device.

    Args:
        device: Name of a torch device, or ``auto`` for a GPU when there is one and the CPU otherwise.
        fall_back: Use the CPU if this machine lacks the device, for example a GPU of the machine that saved a file.

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
    if fall_back:
        return torch.device("cpu")
    raise ConfigError(f"This machine has no device {str(device)!r} that torch can use: choose one of {_devices()}.")


def _usable(device: torch.device) -> bool:
    if device.type == "cuda":  # a tensor would already allocate half a gigabyte on the GPU
        return torch.cuda.is_available() and (device.index or -1) < torch.cuda.device_count()
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, ImportError):  # each backend raises another
        return False
    return True


def _devices() -> str:
    return ", ".join(["auto", "cpu", *(f"cuda:{number}" for number in range(torch.cuda.device_count()))])


def resolve_seed(seed: int | None) -> int:
    """Returns the seed, or one of the operating system where it is None.

    Raises:
        ConfigError: If the seed is negative.
    """
    if seed is not None and seed < 0:
        raise ConfigError(f"The seed must not be negative; got {seed}.")
    return int(np.random.SeedSequence().generate_state(1)[0]) if seed is None else int(seed)


def seed_from_numpy() -> int:
    """Derives a seed from the state of NumPy's global stream, and leaves the stream unchanged.

    Stable-Baselines3 and d3rlpy seed that stream, so their seed determines everything here as well.
    """
    state: Any = np.random.get_state()  # noqa: NPY002
    digest = hashlib.sha256(state[1].tobytes() + int(state[2]).to_bytes(4, "little")).digest()
    return int.from_bytes(digest[:8], "little")


def seed_from_torch() -> int:
    """Derives a seed from the state of PyTorch's global stream, which TorchRL uses, and leaves it unchanged."""
    digest = hashlib.sha256(torch.random.get_rng_state().numpy().tobytes()).digest()
    return int.from_bytes(digest[:8], "little")


def show_progress(progress: bool | None) -> bool:
    """Resolves the argument ``progress``: None shows bars on a terminal only."""
    return sys.stderr.isatty() if progress is None else progress


def announce(logger: logging.Logger, message: str, *args: object, progress: bool | None = None) -> None:
    """Logs a message at level INFO, or writes it to stderr if the user has not configured logging for it.

    Training scripts rarely configure logging, and Python then shows warnings only. A silent pause of minutes looks like
    a hang, so the message goes to stderr. To change this, set a level with
    ``logging.getLogger("synth_replay").setLevel(...)`` or add a handler for level INFO.

    Args:
        logger: Logger of the module, below ``synth_replay``.
        message: Message with %-placeholders.
        *args: Values of the placeholders.
        progress: The caller's argument ``progress``; False silences the message.
    """
    if progress is False:
        return
    enabled = logger.isEnabledFor(logging.INFO)
    if enabled and logger.hasHandlers():
        logger.info(message, *args)
    if (enabled and logger.hasHandlers()) or (not enabled and logging.getLogger("synth_replay").level):
        return
    last_resort = logging.StreamHandler(sys.stderr)
    last_resort.setFormatter(logging.Formatter("synth_replay: %(message)s"))
    last_resort.handle(logger.makeRecord(logger.name, logging.INFO, "", 0, message, args, None))
