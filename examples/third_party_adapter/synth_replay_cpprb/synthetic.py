"""cpprb's replay buffer with generated transitions in every batch."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any, Unpack

import numpy as np
from cpprb import ReplayBuffer

from synth_replay import Transitions
from synth_replay.buffers import HostColumns, SyntheticOptions, seed_from_numpy, synther_engine

# cpprb lets its users name the columns; these are the names of its documentation
NAMES = {
    "obs": "observations",
    "act": "actions",
    "rew": "rewards",
    "next_obs": "next_observations",
    "done": "terminations",
}


class SyntheticReplayBuffer(ReplayBuffer):
    """A replay buffer that stores real rows as the host does and mixes generated rows into its batches.

    Args:
        size: Most real rows to keep.
        env_dict: Shapes and types of ``obs``, ``act``, ``rew``, ``next_obs`` and ``done``, as in cpprb. ``done`` is a
            termination: a time limit is not.
        env: Environment whose spaces are modelled.
        seed: Seed of the generated part; None follows NumPy's global stream.
        device: Device of the generator.
        **options: Keyword arguments of :class:`~synth_replay.buffers.SyntheticOptions` and
            :class:`~synth_replay.buffers.EngineOptions`.
    """

    def __init__(
        self,
        size: int,
        env_dict: dict[str, Any],
        *,
        env: Any,
        seed: int | None = None,
        device: str = "auto",
        **options: Unpack[SyntheticOptions],
    ) -> None:
        own_seed = seed_from_numpy() if seed is None else seed
        spaces = env.observation_space, env.action_space
        self.engine = synther_engine(*spaces, seed=own_seed, device=device, **options)
        super().__init__(size, env_dict)

    def add(self, **step: Any) -> Any:
        """Stores one step of each environment, as the host does, and counts the steps."""
        index = super().add(**step)
        self.engine.notify(np.size(step["rew"]))
        return index

    def sample(self, batch_size: int) -> dict[str, Any]:
        """Draws a mixed, shuffled batch: real rows by the host, generated rows by the engine."""
        self.engine.update({"real": self.transitions}, self.columns)
        counts = self.engine.plan(batch_size, real=self.get_stored_size())
        batch = super().sample(counts.real)
        if not counts.generated:
            return batch
        made, order = self.engine.draw(counts), self.engine.permutation(batch_size)
        return {name: np.concatenate([a, made[name].astype(a.dtype)])[order] for name, a in batch.items()}

    def transitions(self) -> Transitions:
        """Converts all real rows to transitions in environment units."""
        held, spec = self.get_all_transitions(), self.engine.generator.spec
        shapes = {leaf.name: leaf.shape for leaf in spec.leaves}
        return Transitions(**{ours: held[name].reshape(-1, *shapes[ours]) for name, ours in NAMES.items()})

    def columns(self, rows: Transitions) -> HostColumns:
        """Converts generated rows to the host's columns."""
        found, held = rows.columns(), self.get_all_transitions()
        return {name: found[ours].reshape(-1, *held[name].shape[1:]) for name, ours in NAMES.items()}

    def save(self, path: Path) -> None:
        """Saves real rows, the generator and its rows."""
        path.mkdir(exist_ok=True)
        self.save_transitions(str(path / "transitions.npz"))
        (path / "engine.pkl").write_bytes(pickle.dumps(self.engine))

    def load(self, path: Path) -> None:
        """Loads what :meth:`save` wrote. It unpickles, so only load files that you trust."""
        self.load_transitions(str(path / "transitions.npz"))
        self.engine = pickle.loads((path / "engine.pkl").read_bytes())
