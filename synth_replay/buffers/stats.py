"""Figures of a buffer, for a user, a log and the report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class SynthesisStats:
    """Figures of a buffer up to now; adapters log these as ``synth/<name>``.

    Attributes:
        refreshes: Number of successful refits.
        failed_refreshes: Number of fits that diverged; the generator before them was kept.
        rows: Generated rows in the stores.
        age: Environment steps since the last refresh.
        real_share: Share of real rows in the last batch.
        draws_per_row: How often each real row has been drawn, on average over all rows so far.
        reason: Why the batches hold that many generated rows, as a sentence.
        denoising_loss: Best held-out loss of the last fit.
        marginal: Mean 1 - KS between generated rows and the rows that were fitted, of the worst store.
        fidelity: Generated rows' marginal on held-out rows over real rows' own, of the worst store; with ``validate``.
        gated: Whether their fidelity keeps the generated rows out of the batches (1) or not (0).
        refreshing: Whether a refresh runs in the background (1) or not (0).
        relevance: Mean relevance of the fitted real rows, in units of the score; NaN without ``relevance``.
        relevance_asked: Mean relevance that the generator was asked for.
        relevance_made: Mean relevance of 5,000 generated rows.
        refresh_seconds: Duration of the last refresh in seconds, until its rows were taken over.
        last_error: Message of the last failed fit, or None.
    """

    refreshes: int = 0
    failed_refreshes: int = 0
    rows: int = 0
    age: int = 0
    real_share: float = 1.0
    draws_per_row: float = 0.0
    reason: str = ""
    denoising_loss: float = float("nan")
    marginal: float = float("nan")
    fidelity: float = float("nan")
    gated: bool = False
    refreshing: bool = False
    relevance: float = float("nan")
    relevance_asked: float = float("nan")
    relevance_made: float = float("nan")
    refresh_seconds: float = float("nan")
    last_error: str | None = None

    def refreshed(self, loss: float, marginal: float, figures: Mapping[str, float]) -> SynthesisStats:
        """Returns the figures after a refresh.

        Args:
            loss: Held-out loss of the fit.
            marginal: Marginal of the generated rows.
            figures: Further figures by name.
        """
        changed: dict[str, Any] = {"refreshes": self.refreshes + 1, "denoising_loss": loss, "marginal": marginal}
        return replace(self, **(changed | dict(figures)))

    def to_dict(self) -> dict[str, float]:
        """Returns the numbers by name."""
        return {name: float(value) for name, value in vars(self).items() if isinstance(value, (int, float))}
