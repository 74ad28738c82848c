"""Checks of support, and of the number of rows behind a verdict."""

from __future__ import annotations

import math

from synth_replay.report.column_checks import look_wrong, outcome_of
from synth_replay.report.thresholds import FAR, HOLDOUT_REASON, MIN_HOLDOUT, RANGE
from synth_replay.report.verdict import Check, Evidence, Outcome


def support_checks(evidence: Evidence) -> list[Check]:
    """Makes the checks of ranges, of far observations, and of the hold-out's size."""
    return [_range(evidence), _far(evidence), _holdout(evidence)]


def _range(evidence: Evidence) -> Check:
    gap = evidence.outside
    value, chance = (math.nan, 0.0) if gap is None else (gap.share, gap.chance)
    outcome = outcome_of(value if gap is None else max(gap.share - chance, 0.0), RANGE)
    sentence, shown = "Not measured: ranges were not compared.", ""
    if gap is not None:
        shown = f"{gap.share:.2%} ({gap.column})"
        range_ = f"real ones lie between {gap.low:.4g} and {gap.high:.4g}"
        outside = f"{gap.share:.2%} of the values of {gap.column} lie outside, as far as {gap.reach:.4g}; {range_}"
        sentence = "No column leaves the range of the real rows more often than further real rows would."
        sentence = sentence if outcome == "pass" else f"{look_wrong(gap.column)}: {outside}."
    rule = f"at most {RANGE.good:.1%} outside (further real rows explain {chance:.2%} more)"
    return Check("range", "Values outside the observed range", value, shown, rule, RANGE.reason, outcome, sentence)


def _far(evidence: Evidence) -> Check:
    far = evidence.far
    value, chance = (math.nan, 0.0) if far is None else (far.share, far.chance)
    outcome = outcome_of(value if far is None else max(far.share - chance, 0.0), FAR)
    sentence, shown = "Not measured: there are too few rows or no observations.", ""
    if far is not None:
        shown = f"{far.share:.1%}"
        further = f"{far.share:.1%} of them are further from all fitted ones than 99% of the real ones are"
        start = "Observations lie where real ones do" if outcome == "pass" else look_wrong(far.column)
        sentence = f"{start}: {further}."
    rule = f"at most {FAR.good:.0%} (real rows: 1%; chance explains {chance:.1%} more)"
    return Check("support", "Observations far from real ones", value, shown, rule, FAR.reason, outcome, sentence)


def _holdout(evidence: Evidence) -> Check:
    count = evidence.held_out
    value = math.nan if count is None else float(count)
    outcome: Outcome = "not measured" if count is None else "pass" if count >= MIN_HOLDOUT else "warn"
    sentence = "Not measured: the number of held-out rows is unknown."
    if count is not None:
        few = f"{count:,} held-out rows are too few for a reliable verdict: hold out at least {MIN_HOLDOUT:,}."
        few = few if count else "No rows were held out, so the scores cannot show whether the generator overfits."
        sentence = f"{count:,} held-out rows are enough to tell." if outcome == "pass" else few
    shown = "" if count is None else f"{count:,}"
    rule = f"at least {MIN_HOLDOUT:,}"
    return Check("holdout", "Held-out rows", value, shown, rule, HOLDOUT_REASON, outcome, sentence)
