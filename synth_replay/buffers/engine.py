"""The engine behind every buffer: refit, regenerate, plan a batch, draw rows. It knows no RL library."""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gymnasium import spaces

from synth_replay.buffers.generators import make_model
from synth_replay.buffers.mixing import apportion, check_ratio
from synth_replay.buffers.refresh import RefreshClock, RefreshConfig
from synth_replay.buffers.store import ColumnStore
from synth_replay.buffers.validation import SCORED_ROWS, Fidelity, compare, hold_out, marginal
from synth_replay.errors import FitDivergedError
from synth_replay.generator.config import GeneratorConfig
from synth_replay.generator.generator import MIN_ROWS
from synth_replay.spaces import Array
from synth_replay.transitions import Transitions

logger = logging.getLogger(__name__)

ToHost = Callable[[Transitions], dict[str, Array]]


@dataclass
class SynthesisStats:
    """What has happened so far; adapters log these as ``synth/<name>``.

    Attributes:
        refreshes: Successful refits.
        failed_refreshes: Fits that diverged; the generator before them was kept.
        rows: Generated rows in the store.
        age: Environment steps since the last refresh.
        real_share: Share of real rows in the last batch.
        denoising_loss: Best held-out loss of the last fit.
        marginal: Mean 1 - KS between generated rows and the rows that were fitted, of the worst label.
        fidelity: With ``validate``, generated rows' marginal on held-out rows over real rows' own; the worst label.
        barred: Whether ``validate`` keeps the generated rows out of the batches (1) or not (0).
        refresh_seconds: Duration of the last refresh.
        last_error: Message of the last failed fit, or None.
    """

    refreshes: int = 0
    failed_refreshes: int = 0
    rows: int = 0
    age: int = 0
    real_share: float = 1.0
    denoising_loss: float = float("nan")
    marginal: float = float("nan")
    fidelity: float = float("nan")
    barred: bool = False
    refresh_seconds: float = float("nan")
    last_error: str | None = None

    def to_dict(self) -> dict[str, float]:
        """The numbers by name."""
        return {name: float(value) for name, value in vars(self).items() if isinstance(value, (int, float))}


class SynthesisEngine:
    """Keeps a store of generated rows up to date and says how many of them a batch gets.

    Args:
        observation_space: The environment's.
        action_space: The environment's.
        real_ratio: Share of real rows in a batch, r in SynthER's Algorithm 1.
        refresh: When and how to refit.
        generator: Preset name, configuration (object or file), the folder of a saved generator, or the name of a
            baseline (``additive_noise``, ``multiplicative_noise``, ``dynamics_noise``); None takes the preset for the
            device. A saved generator fills the store before the first batch.
        store_rows: Rows generated at each refresh; None takes the configuration's.
        seed: Seed of the generator and of the rows drawn.
        device: Where to fit and sample.
        progress: Progress bars; None shows them on a terminal.

    Raises:
        ConfigError: If a value cannot be used.
        SpecMismatchError: If a saved generator is of another environment.
    """

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        *,
        real_ratio: float = 0.5,
        refresh: RefreshConfig | None = None,
        generator: str | Path | GeneratorConfig | None = None,
        store_rows: int | None = None,
        seed: int | None = None,
        device: str | torch.device = "auto",
        progress: bool | None = None,
    ) -> None:
        self.real_ratio = check_ratio("real_ratio", real_ratio)
        self.refresh_config = refresh or RefreshConfig()
        self.clock = RefreshClock(self.refresh_config.every)
        self.progress = progress
        fit_seed, draw_seed = np.random.SeedSequence(seed).generate_state(2)
        self._rng = np.random.default_rng(draw_seed)
        self.generator = make_model(observation_space, action_space, generator, int(fit_seed), device)
        self.store_rows = self.generator.store_rows if store_rows is None else store_rows
        self.stores = {"all": ColumnStore(self.store_rows)}
        self._stats = SynthesisStats()

    @property
    def stats(self) -> SynthesisStats:
        """Figures up to now."""
        last = self.clock.last_at
        self._stats.age = self.clock.steps - last if last is not None else 0
        self._stats.rows = sum(len(store) for store in self.stores.values())
        return self._stats

    def notify(self, steps: int = 1) -> None:
        """Counts environment steps. Nothing else happens until the next batch."""
        self.clock.tick(steps)

    def update(self, collect: Callable[[], Any], to_host: ToHost) -> None:
        """Refreshes if one is due; adapters call this at the start of ``sample``.

        Args:
            collect: Returns all real rows, in environment units.
            to_host: Turns generated rows into the host's own columns for the store.

        Raises:
            InvalidTransitionsError: If the real rows cannot be fitted.
        """
        if not self._generates():
            return
        if self.generator.fitted and not any(len(store) for store in self.stores.values()):
            made = self._fill(to_host)
            if self.refresh_config.validate is not None:
                groups = self._groups(collect())
                self._validate({name: hold_out(rows, self._rng) for name, rows in groups.items()}, made)
        if self.clock.due:
            self._refresh(collect, to_host)

    def _generates(self) -> bool:
        """Whether a batch can ever hold generated rows."""
        return self.real_ratio != 1.0

    def _groups(self, collected: Any) -> dict[str, Transitions]:
        """Real rows by the store whose rows are to be like them."""
        return {"all": collected}

    def _fit(self, groups: dict[str, Transitions]) -> None:
        """One fit on all groups; raises FitDivergedError and leaves the generator as it was if that fails."""
        config = self.refresh_config
        rows = Transitions.concatenate(list(groups.values())) if len(groups) > 1 else next(iter(groups.values()))
        self.generator.fit(
            rows,
            steps=config.steps,
            labels=self._labels(groups),
            warm_start=config.refit == "warm",
            progress=self.progress,
        )

    def _labels(self, groups: dict[str, Transitions]) -> Array | None:  # noqa: ARG002
        """Labels of the groups' rows, in order; None fits without any."""
        return None

    def _refresh(self, collect: Callable[[], Any], to_host: ToHost) -> None:
        started = time.perf_counter()
        groups = self._groups(collect())
        split = {name: self._split(rows) for name, rows in groups.items()}
        split = {name: parts for name, parts in split.items() if len(parts[0]) >= MIN_ROWS}
        if not self._worth_fitting(split):
            self.clock.retry()
            return
        try:
            self._fit({name: fitted for name, (fitted, _) in split.items()})
        except FitDivergedError as error:
            self._stats.failed_refreshes += 1
            self._stats.last_error = str(error)
            self.clock.done(succeeded=False)
            warnings.warn(f"A refit failed and the last good generator is kept: {error}", stacklevel=3)
            return
        made = self._fill(to_host)
        self._remember(groups, made)
        self.clock.done(succeeded=True)
        self._stats.refreshes += 1
        self._stats.denoising_loss = self.generator.holdout_loss
        real = {name: self._real_like(name, groups) for name in made}
        self._stats.marginal = min(marginal(real[name], rows, self._rng) for name, rows in made.items())
        self._validate(split, made)
        self._stats.refresh_seconds = time.perf_counter() - started
        logger.info("Refreshed after %d steps: %s", self.clock.steps, self._stats)

    def _split(self, rows: Transitions) -> tuple[Transitions, Transitions]:
        """Rows to fit, and rows to hold out for ``validate``."""
        return (rows, rows[:0]) if self.refresh_config.validate is None else hold_out(rows, self._rng)

    def _fill(self, to_host: ToHost) -> dict[str, Transitions]:
        """Generates all stores' rows anew; returns some of each to score."""
        rows = self.generator.sample(self.store_rows, progress=self.progress)
        self.stores["all"].replace(to_host(rows))
        return {"all": rows[:SCORED_ROWS]}

    def _worth_fitting(self, groups: Collection[str]) -> bool:
        """Whether a fit on these groups gives rows for a store."""
        return bool(groups)

    def _real_like(self, store: str, groups: dict[str, Transitions]) -> Transitions:
        """The real rows that a store's rows are to be like."""
        return groups[store]

    def _remember(self, groups: dict[str, Transitions], made: dict[str, Transitions]) -> None:
        """Called after each refresh with the real rows and some of the generated ones."""

    def _validate(self, split: dict[str, tuple[Transitions, Transitions]], made: dict[str, Transitions]) -> None:
        floor = self.refresh_config.validate
        if floor is None:
            return
        fitted, held = ({name: parts[i] for name, parts in split.items()} for i in (0, 1))
        pairs = {name: (self._real_like(name, held), self._real_like(name, fitted)) for name in made if held}
        found = [compare(a, b, made[name], self._rng) for name, (a, b) in pairs.items() if len(a) and len(b)]
        if not found:
            return
        worst: Fidelity = min(found, key=lambda fidelity: fidelity.ratio)
        self._stats.fidelity, self._stats.barred = worst.ratio, worst.ratio < floor
        if self._stats.barred:
            warnings.warn(
                f"Generated rows are kept out of training (real ratio 1) until the next refresh: {worst}. "
                f"The floor is validate={floor}; more real rows or more training steps may help.",
                stacklevel=4,
            )

    def plan(self, batch_size: int) -> tuple[int, int]:
        """Exact numbers of real and generated rows of a batch; all real while the store is empty or barred."""
        if not len(self.stores["all"]) or self._stats.barred or self.real_ratio == 1.0:
            self._stats.real_share = 1.0
            return batch_size, 0
        real, generated = apportion(batch_size, (self.real_ratio, 1 - self.real_ratio))
        self._stats.real_share = real / max(batch_size, 1)
        return real, generated

    def draw(self, count: int, store: str = "all") -> dict[str, Array]:
        """``count`` generated rows in the host's columns, drawn with replacement."""
        held = self.stores[store]
        return held.gather(self._rng.integers(len(held), size=count))

    def permutation(self, count: int) -> Array:
        """A random order for the rows of a batch."""
        order: Array = self._rng.permutation(count)
        return order
