"""``CFGMixedBuffer`` for plain Gymnasium loops: offline-to-online learning from four sources."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Unpack

import numpy as np
import torch
from gymnasium import spaces

from synth_replay.buffers.host import HostBuffer, stored_rows
from synth_replay.buffers.offline import offline_rows, offline_store
from synth_replay.buffers.options import MixedOptions, cfdg_engine, flat_signature
from synth_replay.errors import InvalidTransitionsError
from synth_replay.spaces import Array
from synth_replay.transitions import Transitions


@flat_signature(MixedOptions)
class CFGMixedBuffer(HostBuffer):
    """Online rows, an offline dataset, and generated rows of both kinds in every batch (CFDG, Algorithm 1).

    ``add`` stores online rows; ``sample`` refits the one labelled generator when a refresh is due, then mixes.

    Args:
        capacity: Most online rows kept.
        observation_space: Observation space of the environment (of a single one, for vector environments).
        action_space: Action space of the environment (of a single one).
        offline: The offline dataset: a path, the id of a local Minari dataset, or rows in environment units.
        seed: Seed of everything random here.
        device: Device of the generator.
        **options: Keyword arguments of :class:`~synth_replay.buffers.MixedOptions` and
            :class:`~synth_replay.buffers.EngineOptions`.

    Attributes:
        last_sources: ``[B]`` int8, the source of each row of the last batch, an index of
            :data:`~synth_replay.buffers.SOURCES`. Rows of odd numbers are offline-like (lambda 1 in APL).

    Raises:
        ConfigError: If a value cannot be used.
        DatasetError: If the offline dataset cannot be read.
        SpecMismatchError: If the dataset, or a saved generator, is of another environment.
        InvalidTransitionsError: If the dataset's values are invalid, out-of-bounds actions for example.
    """

    def __init__(
        self,
        capacity: int,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        offline: str | Path | Transitions,
        *,
        seed: int | None = None,
        device: str | torch.device = "auto",
        **options: Unpack[MixedOptions],
    ) -> None:
        engine_seed, own_seed = np.random.SeedSequence(seed).generate_state(2)
        engine = cfdg_engine(observation_space, action_space, seed=int(engine_seed), device=device, **options)
        super().__init__(capacity, engine)
        self._spec = engine.generator.spec.with_extras(())
        self.offline = offline_store(offline_rows(offline, self._spec).leaves())
        self.last_sources: Array = np.zeros(0, np.int8)
        self._rng = np.random.default_rng(own_seed)

    def sample(self, batch_size: int) -> Transitions:
        """Draws a mixed, shuffled batch; ``last_sources`` says where its rows come from.

        Args:
            batch_size: Rows in all; with ``concat`` the number of each source is exact.

        Returns:
            Rows with the dtypes of the environment's spaces.

        Raises:
            InvalidTransitionsError: If the number of rows is negative.
        """
        if batch_size < 0:
            raise InvalidTransitionsError(f"Cannot sample {batch_size} rows.")
        offline = {"offline": stored_rows(self.offline)}
        online = {"online": self.stored_rows()} if len(self.real) else {}
        self.engine.update(online | offline, lambda rows: rows.leaves())
        counts = self.engine.plan(batch_size, online=len(self.real), offline=len(self.offline))
        order = self.engine.permutation(batch_size)
        held = {"online": self.real, "offline": self.offline}
        # an empty batch has the offline rows' columns
        chosen = [(held[name], counts[name]) for name in held if counts[name] or name == "offline"]
        parts = [store.gather(self._rng.integers(len(store), size=count)) for store, count in chosen]
        if counts.generated:
            parts.append(self.engine.draw(counts))
        self.last_sources = counts.numbers(order)
        kinds = {leaf.name: leaf.dtype for leaf in self._spec.leaves}
        joined = {n: np.concatenate([p[n] for p in parts], dtype=k, casting="same_kind") for n, k in kinds.items()}
        return Transitions.from_leaves({name: column[order] for name, column in joined.items()})
