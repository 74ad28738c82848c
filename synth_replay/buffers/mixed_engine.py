"""The engine behind every CFGMixedBuffer: one labelled generator, two synthetic stores, four sources in a batch."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from synth_replay.buffers.batch_plans import OFFLINE, ONLINE, SYNTHETIC_OFFLINE, SYNTHETIC_ONLINE, BatchPlan, Counts
from synth_replay.buffers.engine import SynthesisEngine, ToHost
from synth_replay.buffers.mixing import apportion
from synth_replay.buffers.ratios import ratio_at
from synth_replay.buffers.snapshots import Snapshots
from synth_replay.buffers.store import ColumnStore
from synth_replay.buffers.validation import SCORED_ROWS
from synth_replay.errors import ConfigError
from synth_replay.generator.generator import TransitionGenerator
from synth_replay.spaces import Array
from synth_replay.transitions import Transitions

Generation = Literal["cfg", "unconditional", "online", "none"]

# The store that each synthetic source is drawn from
_STORES: dict[str, dict[int, str]] = {
    "cfg": {SYNTHETIC_ONLINE: "online", SYNTHETIC_OFFLINE: "offline"},
    "unconditional": {SYNTHETIC_ONLINE: "both", SYNTHETIC_OFFLINE: "both"},
    "online": {SYNTHETIC_ONLINE: "online"},
    "none": {},
}


RealRows = dict[str, Callable[[], Transitions]]
"""What gives the real rows of ``online`` and ``offline``, in environment units; a kind without rows is left out."""


class MixedSynthesisEngine(SynthesisEngine):
    """Keeps synthetic online and offline rows up to date and says what a batch is made of (CFDG, Algorithm 1).

    A label with fewer than 100 rows is not fitted yet: early refreshes generate offline rows alone.

    Args:
        *args: As for :class:`SynthesisEngine`.
        plan: Shares of the sources.
        generation: ``cfg`` fits one generator on both kinds with labels; ``unconditional`` without labels; ``online``
            fits it on online rows alone (SynthER); ``none`` replays both kinds and generates nothing.
        guidance_weight: w of CFDG's Eq. 7 for ``cfg``; None takes the generator configuration's.
        **kwargs: As for :class:`SynthesisEngine`, but for ``real_ratio``.

    Raises:
        ConfigError: If a value cannot be used.
        SpecMismatchError: If a saved generator is of another environment.
    """

    def __init__(
        self,
        *args: Any,
        plan: BatchPlan,
        generation: Generation = "cfg",
        guidance_weight: float | None = None,
        **kwargs: Any,
    ) -> None:
        if generation not in _STORES:
            raise ConfigError(f"generation is one of {', '.join(_STORES)}; got {generation!r}.")
        super().__init__(*args, **kwargs)
        self.generation: Generation = generation
        self.batch_plan = self._fitting_plan(plan)
        self.stores = {}
        self.snapshots = Snapshots(int(self._rng.integers(2**32)))
        self._check_generator(guidance_weight)

    def _fitting_plan(self, plan: BatchPlan) -> BatchPlan:
        if self.generation == "none":
            return replace(plan, synthetic=0.0)
        return replace(plan, synthetic_online=1.0) if self.generation == "online" else plan

    def _check_generator(self, weight: float | None) -> None:
        if self.generation != "cfg":
            if weight is not None:
                raise ConfigError(f"guidance_weight is for generation='cfg', not {self.generation!r}.")
            if self.generation != "none" and isinstance(self.generator, TransitionGenerator) and self.generator.labels:
                raise ConfigError(
                    f"The saved generator was fitted with labels; generation={self.generation!r} would draw them mixed."
                )
            return
        if not isinstance(self.generator, TransitionGenerator):
            raise ConfigError("generation='cfg' needs a generator with labels: a preset, configuration or folder.")
        if weight is not None:
            config = self.generator.config
            self.generator.config = replace(config, guidance=replace(config.guidance, weight=weight))
        if self.generator.fitted and not {"online", "offline"} & set(self.generator.labels):
            raise ConfigError(
                f"The saved generator was fitted with the labels {self.generator.labels}; generation='cfg' needs "
                "'online' or 'offline' among them."
            )

    # -- refreshing -------------------------------------------------------------------------

    def _generates(self) -> bool:
        return self.generation != "none"

    def _groups(self, collected: Any) -> dict[str, Transitions]:
        wanted: RealRows = collected
        groups = {name: rows() for name, rows in wanted.items() if name == "online" or self.generation != "online"}
        return _alike(groups) if groups else {}

    def _worth_fitting(self, groups: Collection[str]) -> bool:
        return bool(groups) and (self.generation != "cfg" or any(name in groups for name, _ in self._shares()))

    def _real_like(self, store: str, groups: dict[str, Transitions]) -> Transitions:
        if store == "both":
            return Transitions.concatenate(list(groups.values()))
        return groups.get(store) or next(iter(groups.values()))[:0]  # a saved generator may know a kind without rows

    def _labels(self, groups: dict[str, Transitions]) -> Array | None:
        if self.generation != "cfg":
            return None
        return np.repeat(list(groups), [len(rows) for rows in groups.values()])

    def _fill(self, to_host: ToHost) -> dict[str, Transitions]:
        scored: dict[str, Transitions] = {}
        self.stores = {}
        for name, (label, count) in self._wanted().items():
            rows = self.generator.sample(count, label=label, progress=self.progress)
            self.stores[name] = ColumnStore(count)
            self.stores[name].replace(to_host(rows))
            scored[name] = rows[:SCORED_ROWS]
        return scored

    def _wanted(self) -> dict[str, tuple[str | None, int]]:
        """Label and number of rows of each store."""
        if self.generation != "cfg":
            return dict.fromkeys(set(_STORES[self.generation].values()), (None, self.store_rows))
        assert isinstance(self.generator, TransitionGenerator)
        return {name: (name, count) for name, count in self._shares() if name in self.generator.labels}

    def _shares(self) -> list[tuple[str, int]]:
        """Labels and numbers of rows that the stores are to have."""
        online = ratio_at("synthetic_online_ratio", self.batch_plan.synthetic_online, self.clock.steps)
        counts = zip(("online", "offline"), apportion(self.store_rows, (online, 1 - online)), strict=True)
        return [(name, count) for name, count in counts if count]

    def _remember(self, groups: dict[str, Transitions], made: dict[str, Transitions]) -> None:
        generated = {f"synthetic_{name}".removesuffix("_both"): rows for name, rows in made.items()}
        sizes = {f"synthetic_{name}".removesuffix("_both"): len(store) for name, store in self.stores.items()}
        self.snapshots.add(self.clock.steps, _alike(groups | generated), sizes)

    # -- batches ----------------------------------------------------------------------------

    def plan_sources(self, batch_size: int, online_rows: int, offline_rows: int) -> Counts:
        """Exact numbers of online, offline, synthetic online and synthetic offline rows of the next batch."""
        held = {ONLINE: online_rows, OFFLINE: offline_rows}
        for source in (SYNTHETIC_ONLINE, SYNTHETIC_OFFLINE):
            store = self.stores.get(_STORES[self.generation].get(source, ""))
            held[source] = 0 if store is None or self._stats.barred else len(store)
        counts = self.batch_plan.counts(batch_size, self.clock.steps, tuple(held[i] for i in range(4)), self._rng)
        self._stats.real_share = (counts[ONLINE] + counts[OFFLINE]) / max(batch_size, 1)
        return counts

    def draw_source(self, source: int, count: int) -> dict[str, Array]:
        """``count`` synthetic rows of a source in the host's columns."""
        return self.draw(count, _STORES[self.generation][source])


def _alike(groups: dict[str, Transitions]) -> dict[str, Transitions]:
    """The groups with the columns that all of them have; truncations are not modelled."""
    leaves = {name: rows.leaves() for name, rows in groups.items()}
    common = set.intersection(*(set(columns) for columns in leaves.values())) - {"truncations"}
    return {
        name: Transitions.from_leaves({k: v for k, v in columns.items() if k in common})
        for name, columns in leaves.items()
    }
