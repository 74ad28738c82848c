"""Replay buffers for plain Gymnasium loops, in the style of CleanRL's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from gymnasium import spaces

from synth_replay.buffers.engine import SynthesisEngine, SynthesisStats
from synth_replay.buffers.host import RealStore
from synth_replay.buffers.refresh import RefreshConfig
from synth_replay.errors import InvalidTransitionsError
from synth_replay.generator.config import GeneratorConfig
from synth_replay.transitions import Transitions


class SyntheticReplayBuffer(RealStore):
    """A replay buffer that mixes generated transitions into every batch (SynthER, Algorithm 1).

    ``add`` stores; ``sample`` refits the generator when a refresh is due, then mixes.

    Args:
        capacity: Most real rows kept.
        observation_space: The environment's (the single one's, for vector environments).
        action_space: Likewise.
        real_ratio: Share of real rows in a batch, in [0, 1].
        refresh_every: Environment steps between two refits.
        generator: Preset (``paper``, ``fast``, ``cpu``), configuration, file, or folder of a saved generator.
        store_rows: Generated rows kept; None takes the preset's.
        refit: ``scratch`` or ``warm``.
        refit_steps: Gradient steps of a refit; None takes the preset's.
        validate: Keep generated rows out of the batches, with a warning, while their marginal on held-out real rows is
            below this share of what real rows reach (0.95, say); None never does.
        seed: Seed of everything random here.
        device: Where the generator runs.
        progress: Progress bars; None shows them on a terminal.
    """

    def __init__(
        self,
        capacity: int,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        *,
        real_ratio: float = 0.5,
        refresh_every: int = 10_000,
        generator: str | Path | GeneratorConfig | None = None,
        store_rows: int | None = None,
        refit: str = "scratch",
        refit_steps: int | None = None,
        validate: float | None = None,
        seed: int | None = None,
        device: str | torch.device = "auto",
        progress: bool | None = None,
    ) -> None:
        engine_seed, own_seed = np.random.SeedSequence(seed).generate_state(2)
        self.engine = SynthesisEngine(
            observation_space,
            action_space,
            real_ratio=real_ratio,
            refresh=RefreshConfig(refresh_every, refit, refit_steps, validate),  # type: ignore[arg-type]
            generator=generator,
            store_rows=store_rows,
            seed=int(engine_seed),
            device=device,
            progress=progress,
        )
        super().__init__(capacity, self.engine)
        self._rng = np.random.default_rng(own_seed)

    @property
    def stats(self) -> SynthesisStats:
        """Refreshes, losses, shares: see :class:`~synth_replay.buffers.engine.SynthesisStats`."""
        return self.engine.stats

    def extend(self, transitions: Transitions) -> None:
        """Stores many real rows, an offline dataset say, and asks for a refresh at the next ``sample``."""
        self.engine.generator.spec.check(transitions)
        if transitions.truncations is None:
            none = np.zeros(len(transitions), bool)
            transitions = Transitions(**transitions.columns(), truncations=none)
        self._store(transitions)
        self.engine.clock.request()

    def sample(self, batch_size: int) -> Transitions:
        """Draws a mixed, shuffled batch.

        Args:
            batch_size: Rows in all; the number of real ones is exact.

        Returns:
            Rows with the dtypes of the environment's spaces.
        """
        if not len(self.real):
            raise InvalidTransitionsError("The buffer is empty: add transitions before sampling.")
        self.engine.update(self.transitions, lambda rows: rows.leaves())
        real, generated = self.engine.plan(batch_size)
        rows = self.real.gather(self._rng.integers(len(self.real), size=real))
        rows.pop("truncations")
        if generated:
            order = self.engine.permutation(batch_size)
            drawn = self.engine.draw(generated)
            rows = {n: np.concatenate([a, drawn[n].astype(a.dtype, copy=False)])[order] for n, a in rows.items()}
        return Transitions.from_leaves(rows)
