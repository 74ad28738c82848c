"""The verdict on generated rows from all checks."""

from __future__ import annotations

from synth_replay.evaluation.scores import FidelityScores
from synth_replay.report.column_checks import column_checks
from synth_replay.report.row_checks import row_checks
from synth_replay.report.support_checks import support_checks
from synth_replay.report.verdict import Evidence, Level, Verdict


def judge(scores: FidelityScores, evidence: Evidence | None = None) -> Verdict:
    """Compares every score with its threshold (all thresholds are in ``synth_replay/report/thresholds.py``).

    Args:
        scores: Scores from :func:`synth_replay.evaluate`.
        evidence: Further measurements, such as the scores of real rows; each makes the verdict more exact.
    """
    evidence = evidence or Evidence()
    checks = (*column_checks(scores, evidence), *row_checks(scores, evidence), *support_checks(evidence))
    outcomes = {check.outcome for check in checks}
    level: Level = "bad" if "fail" in outcomes else "fair" if "warn" in outcomes else "good"
    if level == "bad":
        headline = "Not good enough to train on"
    elif level == "fair":
        headline = "Train with care"
    elif any(check.key == "dynamics_error" and check.passed is None for check in checks):
        headline = "Good enough to train on, as far as it was measured"
    else:
        headline = "Good enough to train on"
    return Verdict(level, headline, checks)
