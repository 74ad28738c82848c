"""Messages of a buffer about its refreshes: when the first is due, how long one takes, and why one waits."""

from __future__ import annotations

import logging
import warnings

from synth_replay.buffers.generated_share import AdaptiveRule, Moment
from synth_replay.buffers.stats import SynthesisStats
from synth_replay.generator.config import MIN_ROWS
from synth_replay.runtime import announce

logger = logging.getLogger(__name__)


class RefreshMessages:
    """Says each thing about refreshes once, where users look: see :func:`~synth_replay.runtime.announce`.

    Args:
        progress: False silences all but warnings.
    """

    def __init__(self, progress: bool | None) -> None:
        self.progress = progress
        self._said: set[str] = set()

    def schedule(self, due_at: int, saved: bool) -> None:
        """Says once when the first refit is due.

        Args:
            due_at: Environment step of the refit.
            saved: Whether a saved generator fills batches until then.
        """
        until = "generated rows are those of the saved generator" if saved else "batches contain only real rows"
        self._once("schedule", "The first refit is due at environment step %s. Until then %s.", f"{due_at:,}", until)

    def waits(self, rule: AdaptiveRule, moment: Moment) -> None:
        """Says once why there are no generated rows yet."""
        if "waits" not in self._said:
            self._once("waits", "%s", rule.reason(moment))

    def refresh(
        self, step: int, rows: int, gradient_steps: int | None, new_rows: int, last: SynthesisStats, *, pauses: bool
    ) -> None:
        """Says what a refresh that begins now will do.

        Args:
            step: Environment steps so far.
            rows: Real rows to fit.
            gradient_steps: Most gradient steps of the fit; None where the generator has none.
            new_rows: Rows to generate.
            last: Figures up to now, with the duration of the previous refresh.
            pauses: Whether training waits for it.
        """
        effort = "" if gradient_steps is None else f" in up to {gradient_steps:,} gradient steps"
        known = f" The previous refresh took {last.refresh_seconds:,.0f} s." if last.refreshes else ""
        announce(
            logger,
            "Environment step %s: fitting the generator to %s real rows%s, then generating %s rows.%s Training %s.",
            *(f"{step:,}", f"{rows:,}", effort, f"{new_rows:,}", known),
            "pauses" if pauses else "continues",
            progress=self.progress,
        )

    def refreshed(self, seconds: float, rows: int, marginal: float) -> None:
        """Says how long the refresh took, how many generated rows there are, and their marginal."""
        message = "The refresh took %.0f s. %s generated rows are ready, with a marginal score of %.3f."
        announce(logger, message, seconds, f"{rows:,}", marginal, progress=self.progress)

    def passed_on(self, said: str) -> None:
        """Passes on what the process of a background refresh wrote, such as warnings."""
        if said:
            logger.warning("The refresh in the background said: %s", said)

    def postponed(self, rows: int) -> None:
        """Says once that a due refresh waits for more rows."""
        self._said.add("schedule")  # the step of a postponed refresh is unknown
        message = "A refit is due, but only %s real rows can be fitted and %s are needed. It waits for them."
        self._once("postponed", message, rows, MIN_ROWS)

    def _once(self, what: str, message: str, *args: object) -> None:
        if what not in self._said:
            self._said.add(what)
            announce(logger, message, *args, progress=self.progress)


def warn_if_too_small(capacity: int, name: str = "buffer_size") -> None:
    """Warns of a buffer that can never hold enough rows for a fit.

    Args:
        capacity: Most real rows of the buffer.
        name: Name of the argument that sets it.
    """
    if capacity < MIN_ROWS:
        warnings.warn(
            f"The buffer keeps {capacity} real rows, and a fit needs {MIN_ROWS}: no rows like them will be generated. "
            f"Set {name} to at least {MIN_ROWS}.",
            stacklevel=4,
        )
