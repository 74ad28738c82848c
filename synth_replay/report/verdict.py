"""The types of a verdict: its checks and the measurements behind them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

from synth_replay.evaluation.correlations import CorrelationGap
from synth_replay.evaluation.scores import FidelityScores
from synth_replay.report.support import FarRows, RangeGap

Outcome = Literal["pass", "warn", "fail", "not measured"]
Level = Literal["good", "fair", "bad"]
LEVELS: tuple[Level, ...] = ("bad", "fair", "good")
"""Levels of a verdict, worst first."""


@dataclass(frozen=True)
class TerminationCounts:
    """Numbers of terminations among the rows that were stepped in the simulator.

    Attributes:
        generated: Number of rows that are generated as terminal.
        simulated: Number of rows after which the simulator terminates.
        confirmed: Number of rows that are both.
        rows: Number of rows stepped.
    """

    generated: int
    simulated: int
    confirmed: int
    rows: int


@dataclass(frozen=True)
class Evidence:
    """Measurements besides the scores, which make a verdict more exact.

    Attributes:
        reference: Scores of real rows in place of the generated rows; None compares with perfect scores.
        pair: Columns whose correlations differ most between real and generated rows.
        reference_pair: Columns whose correlations differ most between two sets of real rows.
        terminations: Numbers of terminations in the simulator.
        copies: Share of copies of any fitted row; None takes ``scores.copy_share``.
        rows: Numbers of real and of generated rows behind the termination rates; the second is at most the number of
            fitted rows.
        why_not: Reason why the simulator's scores are missing.
        held_out: Number of held-out rows, 0 if generated rows are compared with the fitted ones; None if unknown.
        outside: Column with most generated values outside the observed range.
        far: Share of observations that are far from all real ones.
    """

    reference: FidelityScores | None = None
    pair: CorrelationGap | None = None
    reference_pair: CorrelationGap | None = None
    terminations: TerminationCounts | None = None
    copies: float | None = None
    rows: tuple[int, int] | None = None
    why_not: str = "no environment was given"
    held_out: int | None = None
    outside: RangeGap | None = None
    far: FarRows | None = None


@dataclass(frozen=True)
class Check:
    """One score and its comparison with a threshold.

    Attributes:
        key: Identifier, such as ``"worst_marginal"``.
        name: Name on the page.
        value: Score, NaN if it was not measured.
        shown: Score as text.
        rule: Condition to pass, with the threshold.
        reason: Reason for the threshold.
        outcome: Result ``pass``, ``warn``, ``fail`` or ``not measured``.
        sentence: Meaning of the result in plain words.
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
        """Whether the check passed; None if it was not measured."""
        return None if self.outcome == "not measured" else self.outcome == "pass"


@dataclass(frozen=True)
class Verdict:
    """Whether generated rows are good enough to train on.

    Attributes:
        level: ``good`` if no check failed or gave a warning, ``bad`` if one failed, ``fair`` otherwise.
        headline: Verdict in a few words.
        checks: All checks, including those that could not be made.
    """

    level: Level
    headline: str
    checks: tuple[Check, ...]

    @property
    def good(self) -> bool:
        """Whether no check failed or gave a warning."""
        return self.level == "good"

    def below(self, level: Level) -> bool:
        """Tells whether the verdict is worse than ``level``."""
        return LEVELS.index(self.level) < LEVELS.index(level)

    @property
    def problems(self) -> list[str]:
        """Sentences of all checks that failed or gave a warning, worst first."""
        order = ("fail", "warn")
        found = [check for check in self.checks if check.outcome in order]
        return [check.sentence for check in sorted(found, key=lambda check: order.index(check.outcome))]

    @property
    def unmeasured(self) -> list[Check]:
        """Checks that could not be made."""
        return [check for check in self.checks if check.passed is None]

    def __getitem__(self, key: str) -> Check:
        return {check.key: check for check in self.checks}[key]

    def to_dict(self) -> dict[str, Any]:
        """Returns the verdict in JSON types; NaN stays NaN."""
        checks = [dataclasses.asdict(check) | {"passed": check.passed} for check in self.checks]
        whole = {"good": self.good, "level": self.level, "headline": self.headline}
        return whole | {"problems": self.problems, "checks": checks}
