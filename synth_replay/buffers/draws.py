"""How often real rows have been drawn: updates times batch size over rows, counted as it happens."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class DrawCount:
    """Draws of real rows, and the rows that they fell on.

    A row that a full buffer has dropped since counts as well, because it was drawn until then.

    Attributes:
        draws: Real rows in all batches so far.
        held: Real rows that the buffer held at the last batch.
        loaded: Rows that the buffer got without environment steps, as from a dataset that was there at the start.
        since: Environment steps at which the buffer was empty.
    """

    draws: int = 0
    held: int = 0
    loaded: int = 0
    since: int = 0

    def add(self, drawn: int, held: int, steps: int) -> None:
        """Counts a batch.

        Args:
            drawn: Real rows in the batch.
            held: Real rows that the buffer holds.
            steps: Environment steps so far, each of which has stored a row.
        """
        self.draws, self.held = self.draws + drawn, held
        self.loaded = max(self.loaded, held - (steps - self.since))

    def per_row(self, steps: int) -> float:
        """Returns the draws of a row, on average over all rows so far; 0 before the first batch."""
        return self.draws / max(steps - self.since + self.loaded, 1)

    def restart(self, steps: int) -> None:
        """Forgets all draws, as the buffer is empty now."""
        self.draws = self.held = self.loaded = 0
        self.since = steps
