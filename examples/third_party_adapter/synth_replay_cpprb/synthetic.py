"""cpprb's replay buffer with generated transitions in every batch."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
from cpprb import ReplayBuffer

from synth_replay import GeneratorConfig, Transitions
from synth_replay.buffers.engine import SynthesisEngine
from synth_replay.buffers.refresh import RefreshConfig
from synth_replay.runtime import seed_from_numpy

# cpprb lets its users name the columns; these are the names of its documentation
NAMES = {
    "obs": "observations",
    "act": "actions",
    "rew": "rewards",
    "next_obs": "next_observations",
    "done": "terminations",
}


class SyntheticReplayBuffer(ReplayBuffer):
    """The host's buffer: real rows stay in it, generated rows in the engine's store, and batches hold both.

    Args:
        size: Most real rows kept.
        env_dict: Shapes and types of ``obs``, ``act``, ``rew``, ``next_obs`` and ``done``, as in cpprb. ``done`` is a
            termination: a time limit is not.
        env: The environment whose spaces are modelled.
        real_ratio: Share of real rows in a batch, in [0, 1].
        refresh_every: Environment steps between two refits.
        generator: Preset, configuration or its file, or the folder of a saved generator.
        store_rows: Generated rows kept.
        seed: Seed of the generated part; None follows NumPy's global stream.
        device: Where the generator runs.
        progress: Progress bars during a refresh; None shows them on a terminal.
    """

    def __init__(
        self,
        size: int,
        env_dict: dict[str, Any],
        *,
        env: Any,
        real_ratio: float = 0.5,
        refresh_every: int = 10_000,
        generator: str | Path | GeneratorConfig | None = None,
        store_rows: int | None = None,
        seed: int | None = None,
        device: str = "auto",
        progress: bool | None = None,
    ) -> None:
        self.engine = SynthesisEngine(
            env.observation_space,
            env.action_space,
            real_ratio=real_ratio,
            refresh=RefreshConfig(refresh_every),
            generator=generator,
            store_rows=store_rows,
            seed=seed_from_numpy() if seed is None else seed,
            device=device,
            progress=progress,
        )
        super().__init__(size, env_dict)

    def add(self, **step: Any) -> Any:
        """Stores a step, or one of each environment, as the host does, and counts it."""
        index = super().add(**step)
        self.engine.notify(np.size(step["rew"]))
        return index

    def sample(self, batch_size: int) -> dict[str, Any]:
        """Draws a mixed, shuffled batch: real rows by the host, generated rows by the engine."""
        self.engine.update(self.transitions, self.columns)
        real, generated = self.engine.plan(batch_size)
        batch = super().sample(real)
        if not generated:
            return batch
        made, order = self.engine.draw(generated), self.engine.permutation(batch_size)
        return {name: np.concatenate([a, made[name].astype(a.dtype)])[order] for name, a in batch.items()}

    def transitions(self) -> Transitions:
        """All real rows, in environment units."""
        held, spec = self.get_all_transitions(), self.engine.generator.spec
        shapes = {leaf.name: leaf.shape for leaf in spec.leaves}
        return Transitions(**{ours: held[name].reshape(-1, *shapes[ours]) for name, ours in NAMES.items()})

    def columns(self, rows: Transitions) -> dict[str, Any]:
        """Generated rows as the host's columns."""
        found, held = rows.columns(), self.get_all_transitions()
        return {name: found[ours].reshape(-1, *held[name].shape[1:]) for name, ours in NAMES.items()}

    def save(self, path: Path) -> None:
        """Saves real rows, the generator and its rows."""
        path.mkdir(exist_ok=True)
        self.save_transitions(str(path / "transitions.npz"))
        (path / "engine.pkl").write_bytes(pickle.dumps(self.engine))

    def load(self, path: Path) -> None:
        """The inverse of :meth:`save`. It unpickles: only load files that you trust."""
        self.load_transitions(str(path / "transitions.npz"))
        self.engine = pickle.loads((path / "engine.pkl").read_bytes())
