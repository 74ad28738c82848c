"""myhost's replay buffer with generated transitions in every batch."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Unpack

from synth_replay import Transitions
from synth_replay.buffers import HostColumns, SyntheticOptions, seed_from_numpy, synther_engine

HostBuffer = object  # TODO 1: import the host's buffer class in place of this line


class SyntheticReplayBuffer(HostBuffer):
    """A replay buffer that stores real rows as the host does and mixes generated rows into its batches.

    Args:
        size: Most real rows to keep.
        env_dict: TODO 2: the host's own arguments in place of this one.
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
        # TODO 3: call the host's add(), then self.engine.notify(number of environment steps)
        raise NotImplementedError

    def sample(self, batch_size: int) -> dict[str, Any]:
        """Draws a mixed, shuffled batch: real rows by the host, generated rows by the engine."""
        self.engine.update({"real": self.transitions}, self.columns)
        counts = self.engine.plan(batch_size, real=len(self))  # TODO 4: the number of rows that the host holds
        batch = super().sample(counts.real)
        if not counts.generated:
            return batch
        made, order = self.engine.draw(counts), self.engine.permutation(batch_size)
        # TODO 5: join batch and made, in the batch's dtypes and shapes, in the given order
        raise NotImplementedError

    def transitions(self) -> Transitions:
        """Converts all real rows to transitions in environment units."""
        # TODO 6: the host's storage as Transitions
        raise NotImplementedError

    def columns(self, rows: Transitions) -> HostColumns:
        """Converts generated rows to the host's columns."""
        # TODO 7: the inverse of transitions()
        raise NotImplementedError

    def save(self, path: Path) -> None:
        """Saves real rows, the generator and its rows."""
        # TODO 8: the host's own saving; then pickle self.engine beside it
        raise NotImplementedError

    def load(self, path: Path) -> None:
        """Loads what :meth:`save` wrote. It unpickles, so only load files that you trust."""
        # TODO 8, the other way
        raise NotImplementedError
