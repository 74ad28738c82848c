"""When to refit the generator and regenerate the store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from synth_replay.buffers.counts import refuse_text, whole_number
from synth_replay.errors import ConfigError
from synth_replay.generator.config import MIN_ROWS

Refit = Literal["scratch", "warm"]
RefreshMode = Literal["blocking", "background"]

FIT_ROWS = 200_000


@dataclass(frozen=True)
class RefreshConfig:
    """The schedule of SynthER's Algorithm 1, lines 5 and 6.

    Attributes:
        every: Environment steps between two refreshes (SynthER's online code: 10,000).
        refit: ``scratch`` trains a new model each time, as the paper's code does; ``warm`` starts from the last
            weights.
        steps: Gradient steps of a refit; None takes the generator configuration's.
        validate: Floor of the generated rows' fidelity: their mean marginal on held-out real rows as a share of what
            fitted real rows reach there. Below it batches hold real rows alone, and a warning says why. A tenth of the
            rows is held out of the fit. None trains on whatever is generated.
        rows: Most real rows of a source that a refit learns from, chosen at random; None takes all. A fit needs
            several times the memory of its rows.
        refresh: ``blocking`` refreshes inside ``sample`` while training waits; ``background`` in a second process,
            whose rows a later batch takes over.
    """

    every: int = 10_000
    refit: Refit = "scratch"
    steps: int | None = None
    validate: float | None = None
    rows: int | None = FIT_ROWS
    refresh: RefreshMode = "blocking"

    def __post_init__(self) -> None:
        self._set("every", whole_number("refresh_every", self.every, "environment steps"))
        if self.steps is not None:
            self._set("steps", whole_number("refit_steps", self.steps, "the gradient steps of a refit"))
        if self.rows is not None:
            self._set("rows", whole_number("fit_rows", self.rows, "the real rows of a fit", least=MIN_ROWS))
        if self.refit not in ("scratch", "warm"):
            raise ConfigError(f"refit must be 'scratch' or 'warm'; got {self.refit!r}.")
        if self.refresh not in ("blocking", "background"):
            raise ConfigError(f"refresh must be 'blocking' or 'background'; got {self.refresh!r}.")
        refuse_text("validate", self.validate)
        if self.validate is not None and not 0 <= self.validate <= 1:
            raise ConfigError(f"validate is a share of what real rows reach, in [0, 1]; got {self.validate!r}.")

    def _set(self, name: str, value: int) -> None:
        object.__setattr__(self, name, value)  # the dataclass is frozen: 1e4 becomes 10000 once, here


class RefreshClock:
    """Counts environment steps and says when a refresh is due.

    Args:
        every: Environment steps between two refreshes.
    """

    def __init__(self, every: int) -> None:
        self.every = every
        self.steps = 0
        self.next_at = every
        self.last_at: int | None = None
        self.requests = 0  # that were made since the buffer exists

    def tick(self, steps: int = 1) -> None:
        """Counts environment steps."""
        self.steps += steps

    @property
    def due(self) -> bool:
        """Whether enough steps have passed."""
        return self.steps >= self.next_at

    def request(self) -> None:
        """Makes a refresh due now."""
        self.requests += 1
        self.next_at = self.steps

    def restart(self) -> None:
        """Forgets earlier refreshes and waits ``every`` steps from now."""
        self.next_at, self.last_at = self.steps + self.every, None

    def retry(self) -> None:
        """Postpones the refresh to the next step, because nothing could be fitted yet."""
        self.next_at = self.steps + 1

    def done(self, succeeded: bool) -> None:
        """Starts the wait of another ``every`` steps."""
        self.next_at = self.steps + self.every
        if succeeded:
            self.last_at = self.steps
