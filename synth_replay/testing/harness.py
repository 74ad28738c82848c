"""What the checks need to know of a host library: a few short methods that an adapter's author writes."""

from __future__ import annotations

import pickle
import random
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch

from synth_replay.buffers.engine import SynthesisEngine
from synth_replay.spaces import Array
from synth_replay.transitions import Transitions


class AdapterHarness(ABC):
    """Drives the buffers of one host library.

    Batches and storage come as flat dicts of NumPy arrays in the host's own dtypes and shapes. ``observations``,
    ``actions``, ``rewards``, ``next_observations`` and ``terminations`` must be among the names; others are compared
    with the stock buffer's as well.

    Attributes:
        env_ids: Environments to check with: real ones, without Dict observations or pixels.
        env_counts: Numbers of parallel environments that the host's buffer can take at once.
    """

    env_ids: Sequence[str] = ("Pendulum-v1", "CartPole-v1")
    env_counts: Sequence[int] = (1,)

    @abstractmethod
    def stock(self, env: gym.Env[Any, Any], capacity: int, n_envs: int) -> Any:
        """The host's own empty buffer."""

    @abstractmethod
    def synthetic(self, env: gym.Env[Any, Any], capacity: int, n_envs: int, **options: Any) -> Any:
        """The adapter's empty buffer.

        ``options`` are its own: ``real_ratio``, ``refresh_every``, ``generator``, ``store_rows``, ``seed``,
        ``progress``.
        """

    @abstractmethod
    def add(self, buffer: Any, step: Transitions) -> None:
        """One step of all environments, in environment units, the way the host's training loop adds it."""

    @abstractmethod
    def sample(self, buffer: Any, batch_size: int) -> Mapping[str, Array]:
        """A batch, from the stock buffer or the adapter's."""

    @abstractmethod
    def storage(self, buffer: Any) -> Mapping[str, Array]:
        """Copies of all real rows that the host holds, under the names and in the units of a batch."""

    def mixed(self, env: gym.Env[Any, Any], capacity: int, n_envs: int, offline: Transitions, **options: Any) -> Any:
        """The adapter's empty ``CFGMixedBuffer``; leave it out if there is none."""
        raise NotImplementedError

    def as_stored(self, env: gym.Env[Any, Any], rows: Transitions) -> Mapping[str, Array]:
        """Rows that need not follow each other, as the host would store them: by the stock buffer, row by row."""
        buffer, rows = self.stock(env, len(rows), 1), replace(rows, truncations=np.zeros(len(rows), bool))
        for i in range(len(rows)):
            self.add(buffer, rows[i : i + 1])
        return self.storage(buffer)

    def engine(self, buffer: Any) -> SynthesisEngine:
        """The engine behind the adapter's buffer."""
        engine: SynthesisEngine = buffer.engine
        return engine

    def seed(self, seed: int) -> None:
        """Seeds whatever the host draws from."""
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        torch.manual_seed(seed)

    def draw_alike(self, stock: Any, buffer: Any, batch_size: int) -> tuple[Mapping[str, Array], Mapping[str, Array]]:
        """A batch of each buffer, of the same rows: by the same seed, unless the host needs another way."""
        self.seed(0)
        theirs = self.sample(stock, batch_size)
        self.seed(0)
        return theirs, self.sample(buffer, batch_size)

    def save(self, buffer: Any, path: Path) -> None:
        """Saves the adapter's buffer the way its users do."""
        path.write_bytes(pickle.dumps(buffer))

    def load(self, path: Path) -> Any:
        """The inverse of :meth:`save`."""
        return pickle.loads(path.read_bytes())

    @property
    def has_mixed(self) -> bool:
        """Whether the adapter offers a ``CFGMixedBuffer``."""
        return type(self).mixed is not AdapterHarness.mixed
