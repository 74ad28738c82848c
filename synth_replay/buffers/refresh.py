"""When to refit the generator and regenerate the store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from synth_replay.errors import ConfigError

Refit = Literal["scratch", "warm"]


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
    """

    every: int = 10_000
    refit: Refit = "scratch"
    steps: int | None = None
    validate: float | None = None

    def __post_init__(self) -> None:
        if isinstance(self.every, bool) or not isinstance(self.every, (int, np.integer)) or self.every < 1:
            raise ConfigError(f"refresh_every counts environment steps and must be at least 1; got {self.every!r}.")
        if self.refit not in ("scratch", "warm"):
            raise ConfigError(f"refit must be 'scratch' or 'warm'; got {self.refit!r}.")
        if self.steps is not None and self.steps < 1:
            raise ConfigError(f"The number of refit steps must be at least 1; got {self.steps!r}.")
        if self.validate is not None and not 0 <= self.validate <= 1:
            raise ConfigError(f"validate is a share of what real rows reach, in [0, 1]; got {self.validate!r}.")


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

    def tick(self, steps: int = 1) -> None:
        """Counts environment steps."""
        self.steps += steps

    @property
    def due(self) -> bool:
        """Whether enough steps have passed."""
        return self.steps >= self.next_at

    def request(self) -> None:
        """Makes a refresh due now."""
        self.next_at = self.steps

    def retry(self) -> None:
        """Postpones the refresh to the next step, because nothing could be fitted yet."""
        self.next_at = self.steps + 1

    def done(self, succeeded: bool) -> None:
        """Starts the wait of another ``every`` steps."""
        self.next_at = self.steps + self.every
        if succeeded:
            self.last_at = self.steps
