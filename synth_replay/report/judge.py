"""From checks to a verdict."""

from __future__ import annotations

from synth_replay.evaluation import FidelityScores
from synth_replay.report.column_checks import column_checks
from synth_replay.report.row_checks import row_checks
from synth_replay.report.verdict import Evidence, Verdict


def judge(scores: FidelityScores, evidence: Evidence | None = None) -> Verdict:
    """Holds every figure against its threshold (all in ``synth_replay/report/thresholds.py``).

    Args:
        scores: Of :func:`synth_replay.evaluate`.
        evidence: What else is known; the more, the sharper the verdict.
    """
    evidence = evidence or Evidence()
    checks = (*column_checks(scores, evidence), *row_checks(scores, evidence))
    outcomes = {check.outcome for check in checks}
    if "fail" in outcomes:
        headline = "Not good enough to train on"
    elif "care" in outcomes:
        headline = "Train with care"
    elif any(check.key == "dynamics_error" and check.passed is None for check in checks):
        headline = "Good enough to train on, as far as it was measured"
    else:
        headline = "Good enough to train on"
    return Verdict(not outcomes & {"fail", "care"}, headline, checks)
