"""Generated rows: the generator, the stores that it fills, and when it is fitted anew."""

from __future__ import annotations

import copy
import time
import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from synth_replay.buffers.background import BackgroundRefresh, require_picklable
from synth_replay.buffers.generated_rows import ToHost, generated, stored
from synth_replay.buffers.generator_kinds import figures_of, learn_score, resembled, resembled_parts
from synth_replay.buffers.generators import RowGenerator
from synth_replay.buffers.messages import RefreshMessages
from synth_replay.buffers.real_rows import Groups, RealRows, Split, collect
from synth_replay.buffers.refit_job import RefitJob
from synth_replay.buffers.refresh import RefreshClock, RefreshConfig
from synth_replay.buffers.snapshots import Snapshots
from synth_replay.buffers.sources import Mixture
from synth_replay.buffers.stats import SynthesisStats
from synth_replay.buffers.store import ColumnStore
from synth_replay.buffers.validation import FidelityGate, worst_marginal
from synth_replay.errors import FitDivergedError
from synth_replay.generator.config import MIN_ROWS


@dataclass(frozen=True, eq=False)
class _Refresh:
    """A refresh that has begun.

    Attributes:
        groups: Real rows by source.
        held: Number of rows that each source holds.
        split: Rows to fit and to hold out, by source.
        job: What is fitted and generated.
        started: Time of the start, of ``time.perf_counter``.
        requests: Requests of refreshes until then.
    """

    groups: Groups
    held: dict[str, int]
    split: Split
    job: RefitJob
    started: float
    requests: int


class RowSupply:
    """Fits the generator, fills the stores, and keeps rows of low fidelity out of the batches.

    Args:
        generator: Generator of the rows.
        mixture: Sources of a batch.
        config: When and how to refresh.
        gate: Gate of generated rows by their fidelity.
        store_rows: Rows generated at each refresh, in all stores together.
        progress: Progress bars and messages; None shows bars on a terminal, False shows neither.
        rng: Random generator that chooses the rows to fit, to hold out and to score.

    Attributes:
        stores: Generated rows by store, in the host's columns.
        figures: Figures of the refreshes so far.
        clock: When the next refresh is due.
        own_fit: Whether the generator has learnt from rows of this buffer.
        snapshots: Some rows of each refresh, for the report; None for a mixture without.
        messages: Messages about refreshes.

    Raises:
        ConfigError: If refreshes are to run in the background and the generator cannot be sent to another process.
    """

    def __init__(
        self,
        generator: RowGenerator,
        mixture: Mixture,
        config: RefreshConfig,
        gate: FidelityGate,
        store_rows: int,
        progress: bool | None,
        rng: np.random.Generator,
    ) -> None:
        if config.refresh == "background" and not mixture.rule.never:
            require_picklable(generator)
        self.generator, self.mixture, self.config, self.gate = generator, mixture, config, gate
        self.store_rows, self.progress, self._rng = store_rows, progress, rng
        self.clock, self.figures, self.own_fit = RefreshClock(config.every), SynthesisStats(), False
        self.stores: dict[str, ColumnStore] = {}
        self.snapshots = Snapshots(int(rng.integers(2**32))) if mixture.snapshots else None
        self.messages = RefreshMessages(progress)
        self._begun: tuple[BackgroundRefresh, _Refresh] | None = None

    @property
    def refreshing(self) -> bool:
        """Whether a refresh runs in the background."""
        return self._begun is not None

    @property
    def saved(self) -> bool:
        """Whether the generator was given already fitted, and has not been fitted here."""
        return self.generator.fitted and not self.own_fit

    def empty(self) -> None:
        """Discards all generated rows, and a refresh that runs in the background."""
        self.stop()
        self.stores, self.gate.closed = {}, False
        self.clock.restart()

    def stop(self) -> None:
        """Ends a refresh that runs in the background; the next batch begins it anew."""
        if self._begun is not None:
            self._begun[0].stop()
        self._begun = None

    def wait(self) -> None:
        """Waits until a refresh in the background has ended; the next batch takes its rows over."""
        if self._begun is not None:
            self._begun[0].wait()

    def restored(self, **parts: Any) -> RowSupply:
        """Returns a supply with the same settings; ``parts`` replaces attributes by name."""
        made = copy.copy(self)
        vars(made).update(parts, _begun=None)
        return made

    def __getstate__(self) -> dict[str, Any]:
        """Returns the state for pickling. A refresh that runs in the background is left out: it is still due."""
        return self.__dict__ | {"_begun": None}

    # -- refreshes ----------------------------------------------------------------------------

    def collect(self, real: RealRows) -> tuple[Groups, dict[str, int]]:
        """Returns the real rows to fit, ``fit_rows`` of a source at most, and the number of rows of each source."""
        return collect(real, self.mixture.fitted, self.config.rows, self._rng)

    def fill_from_saved(self, real: RealRows, to_host: ToHost) -> None:
        """Fills the stores from a saved generator."""
        wanted = self.mixture.store_rows(self.store_rows, self.clock.steps)
        self.stores, made = stored(generated(self.generator, wanted, self.progress), to_host)
        if self.gate.floor is not None:
            groups = self.collect(real)[0]
            learn_score(self.generator, groups)
            self._judge({name: self.gate.split(rows, self._rng) for name, rows in groups.items()}, made)

    def refresh(self, real: RealRows, to_host: ToHost) -> None:
        """Does what is due: begins a refresh, or takes over the rows of one that has ended in the background."""
        if self._begun is not None:
            self._take_over(to_host)
        elif self.clock.due and (begun := self._begin(*self.collect(real))) is not None:
            if self.config.refresh == "background":
                self._send(begun)
            else:
                self._work(begun, to_host)

    def _begin(self, groups: Groups, held: dict[str, int]) -> _Refresh | None:
        """Returns the refresh on the rows of the sources; None if there are too few."""
        whole = {name: self.gate.split(rows, self._rng) for name, rows in groups.items()}
        split = {name: parts for name, parts in whole.items() if len(parts[0]) >= MIN_ROWS}
        steps, wanted = self.clock.steps, self.mixture.store_rows(self.store_rows, self.clock.steps)
        if not any(name in split for store, _ in wanted for name in store.like):
            self.messages.postponed(max((len(parts[0]) for parts in whole.values()), default=0))
            self.clock.retry()
            return None
        job = RefitJob.of({name: rows for name, (rows, _) in split.items()}, self.mixture, self.config, wanted)
        counts = len(job.rows), job.effort(self.generator), self.store_rows
        self.messages.refresh(steps, *counts, self.figures, pauses=self.config.refresh != "background")
        return _Refresh(groups, held, split, job, time.perf_counter(), self.clock.requests)

    def _send(self, begun: _Refresh) -> None:
        try:
            self._begun = BackgroundRefresh(self.generator, begun.job), begun
        except (OSError, MemoryError) as error:
            self._note_failure(f"its process could not be started: {error}")

    def _work(self, begun: _Refresh, to_host: ToHost) -> None:
        try:
            begun.job.fit(self.generator, self.progress)
        except FitDivergedError as error:
            self._note_failure(str(error))
            return
        self.own_fit = True
        self._fill(begun, stored(begun.job.made(self.generator, self.progress), to_host))

    def _take_over(self, to_host: ToHost) -> None:
        assert self._begun is not None
        worker, begun = self._begun
        outcome = worker.poll()
        if outcome is None:
            return
        self._begun = None
        self.messages.passed_on(outcome.said)
        self.generator = outcome.generator or self.generator
        if outcome.error:
            self._note_failure(outcome.error)
            return
        self.own_fit = True
        self._fill(begun, stored(outcome.made.items(), to_host))
        if self.clock.requests > begun.requests:  # rows came in meanwhile for which a refresh was asked
            self.clock.request()

    def _fill(self, begun: _Refresh, filled: tuple[dict[str, ColumnStore], Groups]) -> None:
        """Takes over new stores, and scores their rows."""
        self.stores, made = filled
        if self.snapshots is not None:
            self.snapshots.add_refresh(self.clock.steps, begun.groups, made, begun.held, self.stores)
        self.clock.done(succeeded=True)
        worst = worst_marginal(resembled(self.generator, begun.groups), made, self.mixture.like, self._rng)
        figures = self.figures.refreshed(self.generator.holdout_loss, worst, figures_of(self.generator))
        self._judge(begun.split, made)
        seconds = time.perf_counter() - begun.started
        self.figures = replace(figures, refresh_seconds=seconds)
        self.messages.refreshed(seconds, sum(map(len, self.stores.values())), worst)

    def _judge(self, split: Split, made: Groups) -> None:
        self.gate.judge(resembled_parts(self.generator, split), made, self.mixture.like, self._rng)

    def _note_failure(self, error: str) -> None:
        failures = self.figures.failed_refreshes + 1
        self.figures = replace(self.figures, failed_refreshes=failures, last_error=error)
        self.clock.done(succeeded=False)
        warnings.warn(
            f"A refit failed: {error}. The buffer keeps the generated rows that it has, and tries again at environment "
            f"step {self.clock.next_at:,}.",
            stacklevel=6,
        )
