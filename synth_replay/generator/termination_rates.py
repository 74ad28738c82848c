"""The rate of generated terminations with and without relabelling, and the rule that chooses between the two."""

from __future__ import annotations

import math
from dataclasses import dataclass

MAX_GAP = 0.2
"""Largest gap between the relabelled and the real rate, as a share of the real rate (the limit of the report)."""


@dataclass(frozen=True)
class TerminationRates:
    """Rates of terminations, measured on generated rows that the relabelling model has not seen.

    Relabelling keeps the rate only if a row shows whether it is terminal. It fails if episodes end at random or after
    a hidden time, if the relabelling model had too few steps, or if the denoiser misses terminal states.

    Attributes:
        real: Share of terminal rows among the fitted rows.
        drawn: Share of terminal rows without relabelling: equal to ``real``, except with ``discrete="diffuse"``.
        relabelled: Share of terminal rows with relabelling.
        error: Standard error of ``relabelled``.
    """

    real: float
    drawn: float
    relabelled: float
    error: float

    @property
    def off(self) -> bool:
        """Whether relabelled and real rate differ by more than :data:`MAX_GAP` and two standard errors."""
        return abs(self.relabelled - self.real) - 2 * self.error > MAX_GAP * self.real

    @property
    def kept(self) -> bool:
        """Whether terminations are relabelled: the rate is not off, or without relabelling it would be no better."""
        return not self.off or abs(self.relabelled - self.real) <= abs(self.drawn - self.real)

    @property
    def note(self) -> str:
        """Warning about the rates; empty if relabelling keeps the real rate."""
        if not self.off:
            return ""
        done = "both rewards and terminations" if self.kept else "only rewards, not terminations,"
        return (
            f"{self.real:.2%} of the real rows are terminal. Of generated rows, {self.relabelled:.2%} would be with "
            f"relabelling and {self.drawn:.2%} without, so {done} are relabelled. Either the rows do not tell when an "
            "episode ends, or the models need more training steps (relabel.steps, training.steps)."
        )

    def numbers(self) -> list[float]:
        """Returns the rates as numbers; ``TerminationRates(*numbers)`` is the inverse."""
        return [self.real, self.drawn, self.relabelled, self.error]


def relabelled_rates(
    real: float, drawn: float, counts: tuple[int, int], settled: tuple[float, float], spare: float
) -> TerminationRates:
    """Computes the rates from rows that were requested as terminal and rows that were not.

    Args:
        real: Share of terminal rows among the fitted rows.
        drawn: Share of rows that are requested as terminal.
        counts: Number of rows measured that were requested as terminal, and number of the others.
        settled: Share of each that is terminal after relabelling.
        spare: Share of the others that were terminal before they were resampled, and may fill a shortfall.
    """
    hit, false = settled
    rate = drawn * hit + (1 - drawn) * false
    rate += min(max(drawn - rate, 0.0), (1 - drawn) * spare)
    variances = (w * w * p * (1 - p) / max(n, 1) for w, p, n in zip((drawn, 1 - drawn), settled, counts, strict=True))
    return TerminationRates(real, drawn, rate, math.sqrt(sum(variances)))
