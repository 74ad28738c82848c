"""myhost's replay buffer with generated transitions in every batch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from synth_replay import GeneratorConfig, Transitions
from synth_replay.buffers.engine import SynthesisEngine
from synth_replay.buffers.refresh import RefreshConfig
from synth_replay.runtime import seed_from_numpy

HostBuffer = object  # TODO 1: import the host's buffer class in place of this line


class SyntheticReplayBuffer(HostBuffer):
    """The host's buffer: real rows stay in it, generated rows in the engine's store, and batches hold both.

    Args:
        size: Most real rows kept.
        env_dict: TODO 2: the host's own arguments in place of this one.
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
        # TODO 3: call the host's add(), then self.engine.notify(number of environment steps)
        raise NotImplementedError

    def sample(self, batch_size: int) -> dict[str, Any]:
        """Draws a mixed, shuffled batch: real rows by the host, generated rows by the engine."""
        self.engine.update(self.transitions, self.columns)
        real, generated = self.engine.plan(batch_size)
        batch = super().sample(real)
        if not generated:
            return batch
        made, order = self.engine.draw(generated), self.engine.permutation(batch_size)
        # TODO 4: join batch and made, in the batch's dtypes and shapes, in the given order
        raise NotImplementedError

    def transitions(self) -> Transitions:
        """All real rows, in environment units."""
        # TODO 5: the host's storage as Transitions
        raise NotImplementedError

    def columns(self, rows: Transitions) -> dict[str, Any]:
        """Generated rows as the host's columns."""
        # TODO 6: the inverse of transitions()
        raise NotImplementedError

    def save(self, path: Path) -> None:
        """Saves real rows, the generator and its rows."""
        # TODO 7: the host's own saving; then pickle self.engine beside it
        raise NotImplementedError

    def load(self, path: Path) -> None:
        """The inverse of :meth:`save`. It unpickles: only load files that you trust."""
        # TODO 7, the other way
        raise NotImplementedError
