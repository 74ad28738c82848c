"""``SyntheticReplayBuffer`` for plain Gymnasium loops, in the style of CleanRL's."""

from __future__ import annotations

from typing import Any, Unpack

import numpy as np
import torch
from gymnasium import spaces

from synth_replay.buffers.host import HostBuffer
from synth_replay.buffers.options import SyntheticOptions, flat_signature, synther_engine
from synth_replay.errors import InvalidTransitionsError
from synth_replay.transitions import Transitions


@flat_signature(SyntheticOptions)
class SyntheticReplayBuffer(HostBuffer):
    """A replay buffer that mixes generated transitions into every batch (SynthER, Algorithm 1).

    ``add`` stores; ``sample`` refits the generator when a refresh is due, then mixes.

    Args:
        capacity: Most real rows kept.
        observation_space: Observation space of the environment (of a single one, for vector environments).
        action_space: Action space of the environment (of a single one).
        seed: Seed of everything random here.
        device: Device of the generator.
        **options: Keyword arguments of :class:`~synth_replay.buffers.SyntheticOptions` and
            :class:`~synth_replay.buffers.EngineOptions`.

    Raises:
        ConfigError: If a value cannot be used.
        SpecMismatchError: If a saved generator is of another environment.
        UnsupportedSpaceError: If a space cannot be modelled.
    """

    def __init__(
        self,
        capacity: int,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        *,
        seed: int | None = None,
        device: str | torch.device = "auto",
        **options: Unpack[SyntheticOptions],
    ) -> None:
        engine_seed, own_seed = np.random.SeedSequence(seed).generate_state(2)
        engine = synther_engine(observation_space, action_space, seed=int(engine_seed), device=device, **options)
        super().__init__(capacity, engine)
        self._rng = np.random.default_rng(own_seed)

    def extend(self, transitions: Transitions) -> None:
        """Stores many real rows, an offline dataset for example, and requests a refresh at the next ``sample``."""
        self.engine.generator.spec.check(transitions)
        if transitions.truncations is None:
            none = np.zeros(len(transitions), bool)
            transitions = Transitions(**transitions.columns(), truncations=none)
        self._store(transitions)
        self.engine.request_refresh()

    def sample(self, batch_size: int) -> Transitions:
        """Draws a mixed, shuffled batch.

        Args:
            batch_size: Rows in all; the number of real ones is exact.

        Returns:
            Rows with the dtypes of the environment's spaces.

        Raises:
            InvalidTransitionsError: If the buffer is empty.
        """
        if not len(self.real):
            raise InvalidTransitionsError("The buffer is empty: add transitions before sampling.")
        self.engine.update({"real": self.stored_rows()}, lambda rows: rows.leaves())
        counts = self.engine.plan(batch_size, real=len(self.real))
        rows = self.real.gather(self._rng.integers(len(self.real), size=counts.real))
        rows.pop("truncations")
        if counts.generated:
            order = self.engine.permutation(batch_size)
            made = self.engine.draw(counts)
            rows = {n: np.concatenate([a, made[n].astype(a.dtype, copy=False)])[order] for n, a in rows.items()}
        return Transitions.from_leaves(rows)
