"""Options that several commands share; the docstrings of classes and fields are the texts of ``--help``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import gymnasium as gym
import tyro

from synth_replay.datasets import Dataset, open_dataset
from synth_replay.errors import ConfigError
from synth_replay.runtime import resolve_device

ReadFormat = Literal["npz", "d4rl", "minari", "sb3", "d3rlpy", "parquet", "robomimic", "table"]
WriteFormat = Literal["npz", "d4rl", "minari", "d3rlpy", "parquet"]


@dataclass(frozen=True)
class Input:
    """How the input is read."""

    format: ReadFormat | None = None
    """Format of the input; detected from its content by default."""
    env: str | None = None
    """Gymnasium id, e.g. Hopper-v5: gives the spaces of the rows, and the simulator that a report compares with."""
    trusted: bool = False
    """Allow files that run code: a pickle (Stable-Baselines3 replay buffer), or a relabelling function that a
    configuration or a generator names."""

    def make_env(self) -> gym.Env[Any, Any] | None:
        """Makes the environment of ``--env``; None without the option.

        Raises:
            ConfigError: If there is no environment of that name, or it cannot be made.
        """
        if self.env is None:
            return None
        try:
            return gym.make(self.env)
        except (gym.error.Error, ImportError) as error:
            raise ConfigError(f"--env {self.env}: {error}") from error

    def open(self, path: Path, env: gym.Env[Any, Any] | None = None) -> Dataset:
        """Opens the dataset at ``path``, with the spaces of ``env`` if there is one."""
        spaces = {} if env is None else {"observation_space": env.observation_space, "action_space": env.action_space}
        return open_dataset(path, format=self.format, trusted=self.trusted, **spaces)


@dataclass(frozen=True)
class Progress:
    """What is shown while the command runs."""

    quiet: bool = False
    """Hide progress bars. They are shown on a terminal only."""

    @property
    def progress(self) -> bool | None:
        """False hides progress bars; None shows them on a terminal."""
        return False if self.quiet else None


@dataclass(frozen=True)
class Seeded(Progress):
    """How a command with random choices runs."""

    seed: int = 0
    """Random seed. Equal seeds, data and settings give equal results."""

    def check(self) -> None:
        """Checks the options before any work is done.

        Raises:
            ConfigError: If the seed is negative.
        """
        if self.seed < 0:
            raise ConfigError(f"--seed must not be negative; got {self.seed}.")


@dataclass(frozen=True)
class Running(Seeded):
    """How a command that runs a model runs."""

    device: str = "auto"
    """Device of the model: cpu, cuda, cuda:1, ...; auto takes a GPU if there is one."""

    def check(self) -> None:
        """Checks the options before any work is done.

        Raises:
            ConfigError: If the seed is negative or the device is not here.
        """
        super().check()
        resolve_device(self.device)


InputOptions = Annotated[Input, tyro.conf.arg(name="")]
ProgressOptions = Annotated[Progress, tyro.conf.arg(name="")]
SeededOptions = Annotated[Seeded, tyro.conf.arg(name="")]
RunningOptions = Annotated[Running, tyro.conf.arg(name="")]
