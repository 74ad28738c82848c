"""The engine behind every buffer: refit, regenerate, plan a batch, sample rows. It knows no RL library."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from gymnasium import spaces

from synth_replay.buffers.counts import checked_seed, whole_number
from synth_replay.buffers.draws import DrawCount
from synth_replay.buffers.generated_rows import ToHost, drawn
from synth_replay.buffers.generated_share import Moment
from synth_replay.buffers.generator_kinds import give_policy, require_ready, suit
from synth_replay.buffers.generators import GeneratorArgument, RelevanceArgument, RowGenerator, generator_for
from synth_replay.buffers.mixing import SourceCounts
from synth_replay.buffers.real_rows import RealRows
from synth_replay.buffers.reasons import why
from synth_replay.buffers.refresh import FIT_ROWS, Refit, RefreshConfig, RefreshMode
from synth_replay.buffers.row_supply import RowSupply
from synth_replay.buffers.snapshots import Snapshots
from synth_replay.buffers.sources import Mixture
from synth_replay.buffers.stats import SynthesisStats
from synth_replay.buffers.store import ColumnStore, HostColumns
from synth_replay.buffers.validation import FidelityGate
from synth_replay.generator.one_step import Policy
from synth_replay.spaces import Array

STORE_ROWS = "the rows of all stores"


class SynthesisEngine:
    """Keeps stores of generated rows up to date and says how many rows of each source a batch gets.

    A source with fewer than 100 rows is not fitted yet: early refreshes of CFDG generate offline rows alone.

    Args:
        observation_space: Observation space of the environment.
        action_space: Action space of the environment.
        mixture: Sources of a batch, :func:`~synth_replay.buffers.two_sources` or
            :func:`~synth_replay.buffers.four_sources`.
        refresh_every: Environment steps between two refits.
        generator: Preset (``paper``, ``fast``, ``cpu``), configuration (object or file), the folder of a saved
            generator, or the name of a baseline (``additive_noise``, ``multiplicative_noise``, ``dynamics_noise``);
            None takes the preset for the device. A saved generator fills the stores before the first batch.
        store_rows: Rows generated at each refresh, in all stores together; None takes the configuration's.
        refit: ``scratch`` trains a new model each time (the paper's code); ``warm`` starts from the last weights.
        refit_steps: Gradient steps of a refit; None takes the configuration's.
        fit_rows: Most real rows of a source that a refit learns from, chosen at random; None takes all.
        validate: Smallest share of real rows' own fidelity that generated rows must reach; None never checks.
        refresh: ``blocking`` or ``background``, a process of its own whose rows are taken over at a later batch.
        guidance_weight: w of CFDG's Eq. 7, for mixtures with labels; None takes the configuration's.
        seed: Seed of the generator and of the rows that are sampled.
        relevance: Score whose highest values the generator is asked for (Prioritized Generative Replay); None asks for
            rows like the replay.
        device: Device that fits and samples.
        progress: Progress bars; None shows them on a terminal. False silences the messages about refreshes, too.

    Raises:
        ConfigError: If a value cannot be used.
        SpecMismatchError: If a saved generator is of another environment.
    """

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        mixture: Mixture,
        *,
        refresh_every: int = 10_000,
        generator: GeneratorArgument = None,
        store_rows: int | None = None,
        refit: Refit = "scratch",
        refit_steps: int | None = None,
        fit_rows: int | None = FIT_ROWS,
        validate: float | None = None,
        refresh: RefreshMode = "blocking",
        guidance_weight: float | None = None,
        relevance: RelevanceArgument = None,
        seed: int | None = None,
        device: str | torch.device = "auto",
        progress: bool | None = None,
    ) -> None:
        self.mixture = mixture
        config = RefreshConfig(refresh_every, refit, refit_steps, validate, fit_rows, refresh)
        fit, draw = np.random.SeedSequence(checked_seed(seed)).generate_state(2).tolist()
        self._rng = np.random.default_rng(draw)
        made = generator_for(mixture, observation_space, action_space, generator, fit, device, relevance)
        store_rows = whole_number("store_rows", made.store_rows if store_rows is None else store_rows, STORE_ROWS)
        suit(made, mixture, guidance_weight)
        floor = mixture.adaptive.floor if validate is None and mixture.adaptive is not None else validate
        gate = FidelityGate(floor, held_out=validate is not None)
        self.supply = RowSupply(made, mixture, config, gate, store_rows, progress, self._rng)
        self._real_share, self._draws = 1.0, DrawCount()
        self._begun = False  # whether generated rows were wanted at any time

    @property
    def generator(self) -> RowGenerator:
        """Generator of the rows."""
        return self.supply.generator

    @property
    def stores(self) -> Mapping[str, ColumnStore]:
        """Generated rows by store, in the host's columns."""
        return self.supply.stores

    @property
    def snapshots(self) -> Snapshots | None:
        """Some rows of each refresh, for the report; None for a mixture without."""
        return self.supply.snapshots

    @property
    def refresh_config(self) -> RefreshConfig:
        """When and how the rows are refreshed."""
        return self.supply.config

    @property
    def stats(self) -> SynthesisStats:
        """Figures up to now."""
        supply, last = self.supply, self.supply.clock.last_at
        return replace(
            supply.figures,
            age=self.steps - last if last is not None else 0,
            rows=sum(len(store) for store in supply.stores.values()),
            real_share=self._real_share,
            draws_per_row=self._draws.per_row(self.steps),
            gated=supply.gate.closed,
            fidelity=supply.gate.ratio,
            refreshing=supply.refreshing,
            reason=self._reason(),
        )

    def _reason(self) -> str:
        rule, moment, supply = self.mixture.rule, self._moment(), self.supply
        due = None if supply.stores else supply.clock.next_at
        return why(rule, moment, supply.gate, due, supply.refreshing) if self.wanted else why(rule, moment)

    def _moment(self, real_rows: int | None = None) -> Moment:
        """Returns what the rule looks at; the number of real rows is that of the last batch if it is not given."""
        return Moment(self.steps, self._draws.held if real_rows is None else real_rows, self._draws.per_row(self.steps))

    @property
    def steps(self) -> int:
        """Environment steps that were counted."""
        return self.supply.clock.steps

    @property
    def next_refresh(self) -> int:
        """Environment steps at which the next refresh is due."""
        return self.supply.clock.next_at

    @property
    def wanted(self) -> bool:
        """Whether the next batch is to hold generated rows. If not, nothing is fitted."""
        return not self.mixture.rule.never and self.mixture.rule.generated(self._moment()) > 0

    @property
    def idle(self) -> bool:
        """Whether rows are to be generated and none are there yet."""
        return self.wanted and not (self.stores or self.supply.figures.refreshes)

    def notify(self, steps: int = 1) -> None:
        """Counts environment steps. Nothing else happens until the next batch."""
        self.supply.clock.tick(steps)

    def request_refresh(self) -> None:
        """Makes a refresh due at the next batch, after an offline dataset was stored for example."""
        self.supply.clock.request()

    def reset(self) -> None:
        """Discards all generated rows after the host emptied its buffer; a saved generator fills the stores again."""
        self._begun = False
        self._draws.restart(self.steps)
        self.supply.empty()

    def act_with(self, policy: Policy) -> None:
        """Gives ``generator="one_step_model"`` the policy; other generators ignore it.

        Args:
            policy: Function of observations ``[n, ...]`` (a dict for Dict spaces) that returns actions ``[n, ...]``, in
                environment units.
        """
        give_policy(self.generator, policy)

    def take(self, parts: Mapping[str, Any]) -> None:
        """Takes over the attributes that :func:`~synth_replay.buffers.engine_state.restored_parts` made of a file."""
        self.supply.stop()
        vars(self).update(parts)

    # -- refreshing -------------------------------------------------------------------------

    def update(self, real: RealRows, to_host: ToHost) -> None:
        """Refreshes if a refresh is due; adapters call this at the start of ``sample``.

        Args:
            real: Functions that return all real rows of a source, in environment units, by the source's name.
            to_host: Function that turns generated rows into the host's own columns for the store.

        Raises:
            InvalidTransitionsError: If the real rows cannot be fitted.
        """
        if not self.wanted:
            self.say_when_due()
            if self.supply.refreshing:
                self.supply.refresh(real, to_host)
            return
        require_ready(self.generator)
        supply = self.supply
        if supply.saved and not supply.stores:
            supply.fill_from_saved(real, to_host)
        if not (self._begun or supply.saved) and self.mixture.adaptive is not None:
            supply.clock.request()
        self._begun = True
        if supply.clock.due:
            supply.refresh(real, to_host)
        elif not supply.own_fit:
            self.say_when_due()

    def say_when_due(self, at_least: int = 0) -> None:
        """Says once when the first refresh is due: not before the step at which the host asks for its first batch."""
        rule, supply = self.mixture.adaptive, self.supply
        if not self.wanted:
            if rule is not None:
                supply.messages.waits(rule, self._moment())
        elif not supply.clock.due:
            supply.messages.schedule(max(supply.clock.next_at, at_least), self.generator.fitted)

    # -- batches ----------------------------------------------------------------------------

    def plan(self, batch_size: int, **real_rows: int) -> SourceCounts:
        """Returns the exact numbers of rows of each source in the next batch.

        All rows are real while the stores are empty or gated.

        Args:
            batch_size: Rows in all.
            **real_rows: Rows that the host holds of each real source, by the source's name.
        """
        mixture = self.mixture
        real = tuple(real_rows[name] for name in mixture.sources[: mixture.real_sources])
        held = real + tuple(map(self._held, mixture.drawn_from))
        counts = mixture.counts(batch_size, self._moment(sum(real)), held, self._rng)
        self._draws.add(counts.real, sum(real), self.steps)
        self._real_share = counts.real / max(batch_size, 1)
        return counts

    def _held(self, store: str | None) -> int:
        return 0 if self.supply.gate.closed or store is None or store not in self.stores else len(self.stores[store])

    def draw(self, counts: SourceCounts) -> HostColumns:
        """Samples the generated rows of a batch with replacement, source by source, in the host's columns."""
        return drawn(self.stores, self.mixture, counts, self._rng)

    def permutation(self, count: int) -> Array:
        """Returns a random order for the rows of a batch, ``[count]``."""
        order: Array = self._rng.permutation(count)
        return order
