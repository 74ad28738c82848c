"""The verdict: which figures are good enough to train on, and which are not."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

from synth_replay.evaluation import FidelityScores, PairGap

Outcome = Literal["pass", "care", "fail", "not measured"]


@dataclass(frozen=True)
class Ends:
    """Terminations among the rows that were stepped in the simulator.

    Attributes:
        claimed: Generated as an end.
        true: Ends by the simulator.
        both: Both of these.
        rows: Rows stepped.
    """

    claimed: int
    true: int
    both: int
    rows: int


@dataclass(frozen=True)
class Evidence:
    """What is known besides the scores; the more, the sharper the verdict.

    Attributes:
        reference: Scores of real rows in the generated rows' place; without it perfection is asked for.
        pair: The two columns whose correlation is furthest off.
        reference_pair: The same of the reference.
        ends: Counts of terminations in the simulator.
        copies: Share of copies of any fitted row, instead of ``scores.copy_share``.
        rows: Numbers of real and of generated rows behind the termination rates, the latter at most those fitted.
        why_not: Why the figures of the simulator are missing, if they are.
    """

    reference: FidelityScores | None = None
    pair: PairGap | None = None
    reference_pair: PairGap | None = None
    ends: Ends | None = None
    copies: float | None = None
    rows: tuple[int, int] | None = None
    why_not: str = "no environment was given"


@dataclass(frozen=True)
class Check:
    """One figure against its rule.

    Attributes:
        key: Name in programs, e.g. ``"worst_marginal"``.
        name: Name for people.
        value: The figure; NaN if it was not measured.
        shown: The figure as text.
        rule: What it takes to pass, with the threshold.
        reason: Where the threshold comes from.
        outcome: ``pass``, ``care``, ``fail`` or ``not measured``.
        sentence: What this means, in plain words.
    """

    key: str
    name: str
    value: float
    shown: str
    rule: str
    reason: str
    outcome: Outcome
    sentence: str

    @property
    def passed(self) -> bool | None:
        """None if it was not measured."""
        return None if self.outcome == "not measured" else self.outcome == "pass"


@dataclass(frozen=True)
class Verdict:
    """Whether generated rows are good enough to train on.

    Attributes:
        good: No check failed or asks for care.
        headline: The same in a few words.
        checks: All checks, also those that could not be made.
    """

    good: bool
    headline: str
    checks: tuple[Check, ...]

    @property
    def problems(self) -> list[str]:
        """What is wrong, worst first, in plain words."""
        order = ("fail", "care")
        found = [check for check in self.checks if check.outcome in order]
        return [check.sentence for check in sorted(found, key=lambda check: order.index(check.outcome))]

    @property
    def unmeasured(self) -> list[Check]:
        """Checks that could not be made."""
        return [check for check in self.checks if check.passed is None]

    def __getitem__(self, key: str) -> Check:
        return {check.key: check for check in self.checks}[key]

    def to_dict(self) -> dict[str, Any]:
        """The verdict in JSON types."""
        checks = [dataclasses.asdict(check) | {"passed": check.passed} for check in self.checks]
        return {"good": self.good, "headline": self.headline, "problems": self.problems, "checks": checks}
