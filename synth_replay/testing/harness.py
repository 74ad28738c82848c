"""The harness of a host library, through which the checks use its buffers; an adapter's author writes it."""

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

    Batches and storage are flat dicts of NumPy arrays in the host's own dtypes and shapes. ``observations``,
    ``actions``, ``rewards``, ``next_observations`` and ``terminations`` must be among the names; other columns are also
    compared with the stock buffer's.

    Attributes:
        env_ids: Gymnasium ids of the environments, without Dict observations or pixels.
        env_counts: Numbers of parallel environments that the host's buffer supports.
    """

    env_ids: Sequence[str] = ("Pendulum-v1", "CartPole-v1")
    env_counts: Sequence[int] = (1,)

    @abstractmethod
    def stock(self, env: gym.Env[Any, Any], capacity: int, n_envs: int) -> Any:
        """Creates the host's own empty buffer."""

    @abstractmethod
    def synthetic(self, env: gym.Env[Any, Any], capacity: int, n_envs: int, **options: Any) -> Any:
        """Creates the adapter's empty buffer.

        ``options`` are keyword arguments of the adapter's buffer: ``real_ratio``, ``refresh_every``, ``generator``,
        ``store_rows``, ``seed``, ``progress``.
        """

    @abstractmethod
    def add(self, buffer: Any, step: Transitions) -> None:
        """Adds one step of all environments, in environment units, the way the host's training loop does."""

    def add_many(self, buffer: Any, rows: Transitions, n_envs: int) -> None:
        """Adds the rows of several steps, ``n_envs`` rows a step, in order: one :meth:`add` a step.

        Override it where the host takes many steps at once and is slow with single ones.
        """
        for i in range(0, len(rows), n_envs):
            self.add(buffer, rows[i : i + n_envs])

    @abstractmethod
    def sample(self, buffer: Any, batch_size: int) -> Mapping[str, Array]:
        """Samples a batch from the stock buffer or the adapter's."""

    @abstractmethod
    def storage(self, buffer: Any) -> Mapping[str, Array]:
        """Copies all real rows that the host holds, with the names and in the units of a batch."""

    def mixed(self, env: gym.Env[Any, Any], capacity: int, n_envs: int, offline: Transitions, **options: Any) -> Any:
        """Creates the adapter's empty ``CFGMixedBuffer``; adapters without one do not define this method."""
        raise NotImplementedError

    def as_stored(self, env: gym.Env[Any, Any], rows: Transitions) -> Mapping[str, Array]:
        """Converts rows, which need not be consecutive, to the host's storage by adding them to a stock buffer."""
        buffer, rows = self.stock(env, len(rows), 1), replace(rows, truncations=np.zeros(len(rows), bool))
        self.add_many(buffer, rows, 1)
        return self.storage(buffer)

    def engine(self, buffer: Any) -> SynthesisEngine:
        """Returns the engine of the adapter's buffer."""
        engine: SynthesisEngine = buffer.engine
        return engine

    def seed(self, seed: int) -> None:
        """Seeds all random streams that the host draws from."""
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        torch.manual_seed(seed)

    def draw_alike(self, stock: Any, buffer: Any, batch_size: int) -> tuple[Mapping[str, Array], Mapping[str, Array]]:
        """Samples batches of both buffers with the same rows, after the same seed unless the host needs another way."""
        self.seed(0)
        theirs = self.sample(stock, batch_size)
        self.seed(0)
        return theirs, self.sample(buffer, batch_size)

    def save(self, buffer: Any, path: Path) -> None:
        """Saves the adapter's buffer the way its users do."""
        path.write_bytes(pickle.dumps(buffer))

    def load(self, path: Path) -> Any:
        """Loads a buffer that :meth:`save` wrote."""
        return pickle.loads(path.read_bytes())

    @property
    def has_mixed(self) -> bool:
        """Whether the adapter offers a ``CFGMixedBuffer``."""
        return type(self).mixed is not AdapterHarness.mixed
