"""CFGMixedBuffer for plain Gymnasium loops: offline-to-online learning from four sources."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from gymnasium import spaces

from synth_replay.buffers.batch_plans import OFFLINE, SOURCE_NUMBERS, SYNTHETIC_OFFLINE, SYNTHETIC_ONLINE, BatchPlan
from synth_replay.buffers.engine import SynthesisStats
from synth_replay.buffers.host import RealStore
from synth_replay.buffers.mixed_engine import Generation, MixedSynthesisEngine, RealRows
from synth_replay.buffers.offline import offline_rows
from synth_replay.buffers.ratios import Ratio
from synth_replay.buffers.refresh import RefreshConfig
from synth_replay.buffers.store import ColumnStore
from synth_replay.errors import InvalidTransitionsError
from synth_replay.generator.config import GeneratorConfig
from synth_replay.spaces import Array
from synth_replay.transitions import Transitions


class CFGMixedBuffer(RealStore):
    """Online rows, an offline dataset, and generated rows of both kinds in every batch (CFDG, Algorithm 1).

    ``add`` stores online rows; ``sample`` refits the one labelled generator when a refresh is due, then mixes.

    Args:
        capacity: Most online rows kept.
        observation_space: The environment's (the single one's, for vector environments).
        action_space: Likewise.
        offline: The offline dataset: a path, the id of a local Minari dataset, or rows in environment units.
        plan: ``concat`` has exact numbers of all four sources in each batch; ``oorb`` makes each batch online-like or
            offline-like by the toss of a coin.
        synthetic_ratio: r, the share of synthetic rows in a batch. This and the next two are numbers in [0, 1] or
            functions of the environment step, :class:`~synth_replay.buffers.ratios.LinearSchedule` for example.
        online_ratio: Share of online rows among the real ones, or the coin's probability of an online-like batch.
        synthetic_online_ratio: Share of online-like rows among the synthetic ones, in the stores and in ``concat``.
        generation: ``cfg``; or, to compare with: ``unconditional`` (one generator without labels), ``online`` (SynthER
            on online rows alone), ``none`` (replay of both kinds).
        guidance_weight: w of CFDG's Eq. 7; None takes the generator configuration's.
        refresh_every: Environment steps between two refits (CFDG: 10,000 with APL, 100,000 with IQL and PEX).
        generator: Preset (``paper``, ``fast``, ``cpu``), configuration, file, or folder of a saved generator.
        store_rows: Generated rows kept, of both kinds together; None takes the preset's.
        refit: ``scratch`` or ``warm``.
        refit_steps: Gradient steps of a refit; None takes the preset's.
        validate: Keep generated rows out of the batches, with a warning, while their marginal on held-out real rows is
            below this share of what real rows reach (0.95, say); None never does.
        seed: Seed of everything random here.
        device: Where the generator runs.
        progress: Progress bars; None shows them on a terminal.

    Attributes:
        last_sources: ``[B]``, the source of each row of the last batch, an index of
            :data:`~synth_replay.buffers.batch_plans.SOURCES`. Rows of odd numbers are offline-like (lambda 1 in APL).

    Raises:
        ConfigError: If a value cannot be used.
        DatasetError: If the offline dataset cannot be read.
        SpecMismatchError: If it, or a saved generator, is of another environment.
        InvalidTransitionsError: If its values are invalid, out-of-bounds actions for example.
    """

    def __init__(
        self,
        capacity: int,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        offline: str | Path | Transitions,
        *,
        plan: str = "concat",
        synthetic_ratio: Ratio = 1 / 3,
        online_ratio: Ratio = 0.5,
        synthetic_online_ratio: Ratio = 0.8,
        generation: Generation = "cfg",
        guidance_weight: float | None = None,
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
        self.engine = MixedSynthesisEngine(
            observation_space,
            action_space,
            plan=BatchPlan(plan, synthetic_ratio, online_ratio, synthetic_online_ratio),  # type: ignore[arg-type]
            generation=generation,
            guidance_weight=guidance_weight,
            refresh=RefreshConfig(refresh_every, refit, refit_steps, validate),  # type: ignore[arg-type]
            generator=generator,
            store_rows=store_rows,
            seed=int(engine_seed),
            device=device,
            progress=progress,
        )
        super().__init__(capacity, self.engine)
        spec = self.engine.generator.spec.with_extras(())
        rows = offline_rows(offline, spec)
        self.offline = ColumnStore(len(rows), compact=False)
        self.offline.replace(rows.leaves())
        self.last_sources: Array = np.zeros(0, np.int8)
        self._rng = np.random.default_rng(own_seed)

    @property
    def stats(self) -> SynthesisStats:
        """Refreshes, losses, shares: see :class:`~synth_replay.buffers.engine.SynthesisStats`."""
        return self.engine.stats

    def sample(self, batch_size: int) -> Transitions:
        """Draws a mixed, shuffled batch; ``last_sources`` says where its rows come from.

        Args:
            batch_size: Rows in all; with ``concat`` the number of each source is exact.

        Returns:
            Rows with the dtypes of the environment's spaces.
        """
        if batch_size < 0:
            raise InvalidTransitionsError(f"Cannot sample {batch_size} rows.")
        self.engine.update(self._collect, lambda rows: rows.leaves())
        counts = self.engine.plan_sources(batch_size, len(self.real), len(self.offline))
        order = self.engine.permutation(batch_size)
        parts = [self._part(source, count) for source, count in enumerate(counts) if count or source == OFFLINE]
        self.last_sources = np.repeat(np.array(SOURCE_NUMBERS, np.int8), counts)[order]
        kinds = {leaf.name: leaf.dtype for leaf in self.engine.generator.spec.with_extras(()).leaves}
        joined = {n: np.concatenate([p[n] for p in parts], dtype=k, casting="same_kind") for n, k in kinds.items()}
        return Transitions.from_leaves({name: column[order] for name, column in joined.items()})

    def _part(self, source: int, count: int) -> dict[str, Array]:
        if source in (SYNTHETIC_ONLINE, SYNTHETIC_OFFLINE):
            return self.engine.draw_source(source, count)
        store = self.offline if source == OFFLINE else self.real
        return store.gather(self._rng.integers(len(store), size=count))

    def _collect(self) -> RealRows:
        online: RealRows = {"online": self.transitions} if len(self.real) else {}
        return online | {"offline": lambda: Transitions.from_leaves(self.offline.rows())}
