"""Buffers of an adapter with rows of a real environment, and the comparison of their rows."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

from synth_replay.generator.config import CPU, GeneratorConfig
from synth_replay.generator.generator import TransitionGenerator
from synth_replay.spaces import Array
from synth_replay.testing.harness import AdapterHarness
from synth_replay.transitions import Transitions

NAMES = ("observations", "actions", "rewards", "next_observations", "terminations")
ROWS, CAPACITY, STORE_ROWS = 320, 2_000, 600
NEVER = 10**9

# The quality of the rows does not matter to an adapter, so fits are as short as possible
TINY = replace(
    CPU,
    network=replace(CPU.network, width=16, depth=2, embedding_dim=16),
    training=replace(CPU.training, steps=20, batch_size=64, eval_every=10),
    relabel=replace(CPU.relabel, steps=20, width=16),
    sampler=replace(CPU.sampler, steps=4),
    store_rows=200,
)


def require(condition: Any, message: str) -> None:
    """Asserts a condition, also under ``python -O``.

    Raises:
        AssertionError: If the condition does not hold.
    """
    if not condition:
        raise AssertionError(message)


@lru_cache
def collected(env_id: str, steps: int, n_envs: int = 1, seed: int = 0) -> Transitions:
    """Collects rows of a random policy; the rows of one step of all environments follow each other."""
    rows = [random_rollout(env_id, steps, seed + i) for i in range(n_envs)]
    order = np.arange(n_envs * steps).reshape(n_envs, steps).T.reshape(-1)
    return Transitions.concatenate(rows)[order]


def random_rollout(env_id: str, steps: int, seed: int) -> Transitions:
    """Collects ``steps`` transitions of a random policy in one Gymnasium environment."""
    env = gym.make(env_id)
    env.action_space.seed(seed)
    observation, rows = env.reset(seed=seed)[0], []
    for _ in range(steps):
        action = env.action_space.sample()
        after, reward, terminated, truncated, _ = env.step(action)
        rows.append((observation, action, reward, after, terminated, truncated))
        observation = env.reset()[0] if terminated or truncated else after
    return Transitions(*(np.asarray(column) for column in zip(*rows, strict=True)))


@lru_cache
def saved_generator(env_id: str, labels: bool = False) -> tempfile.TemporaryDirectory[str]:
    """Fits and saves a generator, once in a process, and returns its folder.

    Args:
        env_id: Gymnasium id of the environment.
        labels: Whether the generator is conditional on the labels ``online`` and ``offline``.
    """
    env, rows = gym.make(env_id), replace(collected(env_id, ROWS), truncations=None)
    made = TransitionGenerator(env.observation_space, env.action_space, TINY, 0, device="cpu")
    kinds = np.repeat(["online", "offline"], [ROWS // 2, ROWS - ROWS // 2]) if labels else None
    made.fit(rows, labels=kinds, progress=False)
    folder = tempfile.TemporaryDirectory(prefix="synth_replay_testing_")
    made.save(folder.name)
    return folder


def keys(columns: Mapping[str, Array], *names: str) -> list[bytes]:
    """Converts each row of the named columns to bytes, to find equal rows."""
    parts = [np.asarray(columns[name], np.float32).reshape(len(columns[name]), -1) for name in names]
    return [row.tobytes() for row in np.ascontiguousarray(np.concatenate(parts, axis=1))]


def matches(columns: Mapping[str, Array], others: Mapping[str, Array], *names: str) -> Array:
    """Tells for each row, ``[n]`` bool, whether one of ``others`` has the same values up to float32's rounding."""
    mine, theirs = (
        np.concatenate([np.asarray(c[name], np.float32).reshape(len(c[name]), -1) for name in names], axis=1)
        for c in (columns, others)
    )
    close = np.abs(mine[:, None] - theirs) <= 1e-4 * (1 + np.abs(mine[:, None]))
    found: Array = close.all(axis=2).any(axis=1)
    return found


@dataclass(frozen=True)
class Case:
    """One harness with one environment.

    Attributes:
        harness: Harness of the adapter.
        env_id: Gymnasium id of the environment.
        folder: Existing folder for files.
    """

    harness: AdapterHarness
    env_id: str
    folder: Path

    @cached_property
    def env(self) -> gym.Env[Any, Any]:
        """Environment that provides the spaces."""
        return gym.make(self.env_id)

    def stock(self, steps: int = ROWS, n_envs: int = 1) -> Any:
        """Creates the host's own buffer with the same rows."""
        return self.fill(self.harness.stock(self.env, CAPACITY, n_envs), steps, n_envs)

    def empty(self, n_envs: int = 1, capacity: int = CAPACITY, **options: Any) -> Any:
        """Creates the adapter's empty buffer, with a saved generator unless ``options`` has another."""
        return self.harness.synthetic(self.env, capacity, n_envs, **(self.options() | options))

    def filled(self, steps: int = ROWS, n_envs: int = 1, **options: Any) -> Any:
        """Creates the adapter's buffer with rows."""
        return self.fill(self.empty(n_envs, **options), steps, n_envs)

    def mixed(self, **options: Any) -> Any:
        """Creates the adapter's ``CFGMixedBuffer`` without online rows."""
        defaults = self.options(labels=True)
        return self.harness.mixed(self.env, CAPACITY, 1, self.offline, **(defaults | options))

    @property
    def offline(self) -> Transitions:
        """Offline rows, all different from the online rows."""
        return replace(collected(self.env_id, ROWS, seed=100), truncations=None)

    def options(self, labels: bool = False) -> dict[str, Any]:
        """Returns default options of both kinds of buffer."""
        folder = saved_generator(self.env_id, labels).name
        return {"generator": folder, "refresh_every": NEVER, "store_rows": STORE_ROWS, "seed": 0, "progress": False}

    def refitting(self, every: int, n_envs: int = 1, config: GeneratorConfig = TINY, **options: Any) -> Any:
        """Creates the adapter's empty buffer, with a generator that is fitted every ``every`` steps."""
        return self.empty(n_envs, generator=config, store_rows=200, refresh_every=every, **options)

    def fill(self, buffer: Any, steps: int, n_envs: int = 1, start: int = 0) -> Any:
        """Adds the steps from ``start`` to ``start + steps``."""
        rows = collected(self.env_id, start + steps, n_envs)
        self.harness.add_many(buffer, rows[start * n_envs :], n_envs)
        return buffer

    def sample(self, buffer: Any, batch_size: int) -> Mapping[str, Array]:
        """Samples a batch and checks its column names and number of rows."""
        batch = self.harness.sample(buffer, batch_size)
        missing = [name for name in NAMES if name not in batch]
        require(not missing, f"a batch needs the columns {', '.join(NAMES)}; {', '.join(missing)} are missing")
        wrong = {name: len(column) for name, column in batch.items() if len(column) != batch_size}
        require(not wrong, f"a batch of {batch_size} was requested; these columns have other lengths: {wrong}")
        return batch

    def record_generated(self, buffer: Any) -> dict[Any, Transitions]:
        """Records the rows that the generator makes from now on, by their label, in the returned dict."""
        model, made = self.harness.engine(buffer).generator, {}
        sample = model.sample

        def recorded(count: int, *args: Any, **kwargs: Any) -> Transitions:
            rows = sample(count, *args, **kwargs)
            made[kwargs.get("label")] = rows
            return rows

        model.sample = recorded  # type: ignore[method-assign, assignment]
        return made

    def is_real(self, buffer: Any, batch: Mapping[str, Array]) -> Array:
        """Tells which rows of a batch, ``[B]`` bool, are in the host's storage, by their observations."""
        held = set(keys(self.harness.storage(buffer), "observations"))
        return np.array([key in held for key in keys(batch, "observations")], bool)
