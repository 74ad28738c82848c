"""``CFGMixedBuffer``: offline-to-online learning with TorchRL from four sources."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tensordict import TensorDictBase
from torchrl.data import Composite, ReplayBuffer, TensorSpec
from torchrl.envs import EnvBase

from synth_replay.buffers.batch_plans import (
    OFFLINE,
    ONLINE,
    SOURCE_NUMBERS,
    SYNTHETIC_OFFLINE,
    SYNTHETIC_ONLINE,
    BatchPlan,
)
from synth_replay.buffers.mixed_engine import Generation, MixedSynthesisEngine, RealRows
from synth_replay.buffers.offline import offline_rows
from synth_replay.buffers.ratios import Ratio
from synth_replay.buffers.refresh import RefreshConfig
from synth_replay.buffers.store import ColumnStore
from synth_replay.generator.config import GeneratorConfig
from synth_replay.runtime import seed_from_torch
from synth_replay.spaces import Array
from synth_replay.transitions import Transitions
from synth_replay_torchrl.host import HostBuffer, joined, joined_info


class CFGMixedBuffer(HostBuffer):
    """A TorchRL buffer with an offline dataset and generated rows of both kinds (CFDG, Algorithm 1).

    Online rows stay in TorchRL's storage; before the first of them a batch is all offline. Rows that are not in the
    storage have the ``index`` -1.

    Args:
        offline: The offline dataset: a path, the id of a local Minari dataset, transitions in environment units, or
            a tensordict or buffer of TorchRL's with the same keys as the online rows.
        env: The environment whose rows are stored, with its transforms; or give the next two.
        observation_spec: Of single observations, by key.
        action_spec: Of single actions.
        observation_keys: The observations to model; None takes all of the root.
        plan: ``concat`` has exact numbers of all four sources in each batch; ``oorb`` makes each batch online-like or
            offline-like by the toss of a coin.
        synthetic_ratio: r, the share of synthetic rows in a batch. This and the next two are numbers in [0, 1] or
            functions of the environment step, :class:`~synth_replay.buffers.ratios.LinearSchedule` for example.
        online_ratio: Share of online rows among the real ones, or the coin's probability of an online-like batch.
        synthetic_online_ratio: Share of online-like rows among the synthetic ones, in the stores and in ``concat``.
        generation: ``cfg``; or, to compare with: ``unconditional``, ``online`` (SynthER on online rows), ``none``.
        guidance_weight: w of CFDG's Eq. 7; None takes the generator configuration's.
        refresh_every: Environment steps between two refits (CFDG: 10,000 with APL, 100,000 with IQL and PEX).
        generator: Preset (``paper``, ``fast``, ``cpu``), configuration, file, or folder of a saved generator.
        store_rows: Generated rows kept, of both kinds together; None takes the preset's.
        refit: ``scratch`` or ``warm``.
        refit_steps: Gradient steps of a refit; None takes the preset's.
        validate: As for :class:`SyntheticReplayBuffer`.
        seed: Seed of everything random here but TorchRL's own draws; None follows ``torch.manual_seed``.
        device: Where the generator runs.
        progress: Progress bars during a refresh; None shows them on a terminal.
        **host: TorchRL's own arguments: ``storage``, ``batch_size``, ``transform``, ...

    Attributes:
        last_sources: ``[B]``, the source of each row of the last batch, an index of
            :data:`~synth_replay.buffers.batch_plans.SOURCES`. Rows of odd numbers are offline-like (lambda 1 in APL).

    Raises:
        ConfigError: If a value cannot be used, or the specs are missing.
        DatasetError: If the offline dataset cannot be read.
        SpecMismatchError: If it, or a saved generator, is of another environment.
        InvalidTransitionsError: If its values are invalid.
        UnsupportedBufferError: For prefetching, priorities and slices.
    """

    def __init__(
        self,
        offline: str | Path | Transitions | TensorDictBase | ReplayBuffer,
        *,
        env: EnvBase | None = None,
        observation_spec: Composite | None = None,
        action_spec: TensorSpec | None = None,
        observation_keys: Sequence[str] | None = None,
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
        **host: Any,
    ) -> None:
        specs = {"env": env, "observation_spec": observation_spec, "action_spec": action_spec}
        super().__init__(**specs, observation_keys=observation_keys, **host)
        engine_seed, own_seed = np.random.SeedSequence(seed_from_torch() if seed is None else seed).generate_state(2)
        self.engine: MixedSynthesisEngine = MixedSynthesisEngine(
            self.layout.observation_space,
            self.layout.action_space,
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
        rows = offline_rows(self._given(offline), self.engine.generator.spec.with_extras(()))
        kept = {leaf.name for leaf in self.engine.generator.spec.with_extras(()).leaves}
        self.offline = ColumnStore(len(rows), compact=False)
        self.offline.replace({name: column for name, column in rows.leaves().items() if name in kept})
        self.last_sources: Array = np.zeros(0, np.int8)
        self._own_rng = np.random.default_rng(own_seed)

    def _given(self, offline: Any) -> Any:
        if isinstance(offline, ReplayBuffer):
            offline = offline.storage[: len(offline)]  # as they are stored: our own transforms are applied later
        if not isinstance(offline, TensorDictBase):
            return offline
        self.layout.check(offline, 1)
        return self.layout.transitions(offline)

    def _sample(self, batch_size: int) -> tuple[Any, dict[str, Any]]:
        self.engine.update(self._collect, self.layout.columns)
        counts = self.engine.plan_sources(batch_size, len(self), len(self.offline))
        order = self.engine.permutation(batch_size)
        self.last_sources = np.repeat(np.array(SOURCE_NUMBERS, np.int8), counts)[order]
        held = self.real_rows(counts[ONLINE])
        parts = [rows for rows, _ in held]
        columns = [self._part(source, counts[source]) for source in SOURCE_NUMBERS[OFFLINE:] if counts[source]]
        if columns:
            parts.append(self.other_rows({n: np.concatenate([part[n] for part in columns]) for n in columns[0]}))
        return joined(parts, order), joined_info(held, batch_size - counts[ONLINE], order)

    def _part(self, source: int, count: int) -> dict[str, Array]:
        if source in (SYNTHETIC_ONLINE, SYNTHETIC_OFFLINE):
            return self.engine.draw_source(source, count)
        return self.offline.gather(self._own_rng.integers(len(self.offline), size=count))

    def _collect(self) -> RealRows:
        online: RealRows = {"online": self.transitions} if len(self) else {}
        return online | {"offline": lambda: Transitions.from_leaves(self.offline.rows())}

    def _own_state(self) -> dict[str, Any]:
        return {"engine": self.engine, "last_sources": self.last_sources, "_own_rng": self._own_rng}
