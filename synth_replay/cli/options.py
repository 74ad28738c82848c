"""Options that several commands share."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import gymnasium as gym

from synth_replay.datasets import Dataset, open_dataset
from synth_replay.errors import ConfigError
from synth_replay.runtime import resolve_device

Format = Literal["npz", "d4rl", "minari", "sb3", "d3rlpy", "parquet"]
Written = Literal["npz", "d4rl", "minari", "d3rlpy", "parquet"]


@dataclass(frozen=True)
class Source:
    """How the input is read."""

    format: Format | None = None
    """Format of the input; by default its content tells."""
    env: str | None = None
    """Gymnasium id, e.g. Hopper-v5: takes the spaces from there; a report then measures against its simulator."""
    trusted: bool = False
    """Allow loading a pickle (Stable-Baselines3 replay buffer), which runs the code in it."""

    def make_env(self) -> gym.Env[Any, Any] | None:
        """The environment of ``--env``.

        Raises:
            ConfigError: If there is none of that name, or it cannot be made.
        """
        if self.env is None:
            return None
        try:
            return gym.make(self.env)
        except (gym.error.Error, ImportError) as error:
            raise ConfigError(f"--env {self.env}: {error}") from error

    def open(self, path: Path, env: gym.Env[Any, Any] | None = None) -> Dataset:
        """The dataset at ``path``, with the spaces of ``env`` if there is one."""
        spaces = {} if env is None else {"observation_space": env.observation_space, "action_space": env.action_space}
        return open_dataset(path, format=self.format, trusted=self.trusted, **spaces)


@dataclass(frozen=True)
class Showing:
    """What is shown meanwhile."""

    quiet: bool = False
    """No progress bars. Without a terminal there are none anyway."""

    @property
    def progress(self) -> bool | None:
        """None shows bars on a terminal."""
        return False if self.quiet else None


@dataclass(frozen=True)
class Seeded(Showing):
    """How it runs, where no model does."""

    seed: int = 0
    """The same seed, data and settings give the same result."""

    def check(self) -> None:
        """Before any work is done.

        Raises:
            ConfigError: If it cannot run like this.
        """
        if self.seed < 0:
            raise ConfigError(f"--seed must not be negative; got {self.seed}.")


@dataclass(frozen=True)
class Running(Seeded):
    """How it runs."""

    device: str = "auto"
    """cpu, cuda, cuda:1, ...; auto takes a GPU when there is one."""

    def check(self) -> None:
        """Before any work is done.

        Raises:
            ConfigError: If it cannot run like this.
        """
        super().check()
        resolve_device(self.device)


@dataclass
class Usage:
    """Time and memory of a run, for its last line."""

    started: float = field(default_factory=time.perf_counter)

    def __str__(self) -> str:
        seconds = time.perf_counter() - self.started
        spent = f"{seconds:.1f} s" if seconds < 120 else f"{seconds / 60:.1f} min"
        return f"{spent}{_peak()}"


def _peak() -> str:
    try:
        import resource
    except ImportError:  # Windows
        return ""
    kibibytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return f", peak memory {kibibytes / 2**20:.2f} GB"
