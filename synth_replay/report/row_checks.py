"""Checks of whole rows: ends of episodes, the simulator's opinion, and copies."""

from __future__ import annotations

import math

from synth_replay.evaluation import FidelityScores
from synth_replay.report.column_checks import outcome_of
from synth_replay.report.thresholds import (
    COPIES,
    DYNAMICS,
    MIN_ENDS,
    PRECISION,
    RECALL,
    REWARD,
    TERMINATION_RATE,
    Limit,
)
from synth_replay.report.verdict import Check, Evidence


def row_checks(scores: FidelityScores, evidence: Evidence) -> list[Check]:
    """Terminations, dynamics, rewards and copies."""
    return [
        _rate(scores, evidence),
        _dynamics(scores, evidence),
        _reward(scores, evidence),
        _precision(scores, evidence),
        _recall(scores, evidence),
        _copies(scores, evidence),
    ]


def chance(scores: FidelityScores, rows: tuple[int, int] | None) -> float:
    """Two standard errors of the difference of the two termination rates."""
    if rows is None:
        return 0.0
    real, synthetic = rows
    pooled = (scores.termination_rate_real * real + scores.termination_rate * synthetic) / (real + synthetic)
    return 2 * math.sqrt(pooled * (1 - pooled) * (1 / real + 1 / synthetic))


def _rate(scores: FidelityScores, evidence: Evidence) -> Check:
    real, rate, slack = scores.termination_rate_real, scores.termination_rate, chance(scores, evidence.rows)
    beyond = max(abs(rate - real) - slack, 0.0)
    badness = beyond / real if real else math.inf * beyond if beyond else 0.0
    outcome = outcome_of(badness, TERMINATION_RATE)
    more = "too many" if rate > real else "too few"
    sentence = {"pass": f"{rate:.2%} of the rows are ends, {real:.2%} of the real ones: within the limits."}.get(
        outcome,
        f"Terminations look wrong: there are {more}, {rate:.2%} of the rows against {real:.2%} in real ones.",
    )
    rule = f"{TERMINATION_RATE.good:.0%} more or less than the real rows' {real:.2%} (chance explains {slack:.2%} more)"
    name = "Share of terminations"
    return Check("termination_rate", name, rate, f"{rate:.2%}", rule, TERMINATION_RATE.reason, outcome, sentence)


def _dynamics(scores: FidelityScores, evidence: Evidence) -> Check:
    value = scores.dynamics_error
    typical = f"half of them lie within {_root(value)} standard deviations of the simulator's"
    told = {"pass": f"Next observations are true: {typical}.", "bad": f"Next observations look wrong: only {typical}."}
    return _simulated("dynamics_error", "Median dynamics error", value, DYNAMICS, told, evidence)


def _reward(scores: FidelityScores, evidence: Evidence) -> Check:
    value = scores.reward_error
    typical = f"half of them lie within {_root(value)} standard deviations of the simulator's"
    told = {"pass": f"Rewards are true: {typical}.", "bad": f"Rewards look wrong: only {typical}."}
    return _simulated("reward_error", "Median reward error", value, REWARD, told, evidence)


def _root(value: float) -> str:
    return "" if math.isnan(value) else f"{math.sqrt(value):.2g}"


def _simulated(key: str, name: str, value: float, limit: Limit, told: dict[str, str], evidence: Evidence) -> Check:
    outcome = outcome_of(value, limit)
    sentence = told["pass"] if outcome == "pass" else told["bad"]
    if outcome == "not measured":
        sentence = f"Not measured: {evidence.why_not}."
    shown = "" if math.isnan(value) else f"{value:.2g}"
    return Check(key, name, value, shown, f"at most {limit.good:g}", limit.reason, outcome, sentence)


def _precision(scores: FidelityScores, evidence: Evidence) -> Check:
    count = None if evidence.ends is None else evidence.ends.claimed
    told = "the simulator confirms {} of the claimed ends"
    return _ends("termination_precision", "Precision of terminations", scores, PRECISION, count, told, evidence)


def _recall(scores: FidelityScores, evidence: Evidence) -> Check:
    count = None if evidence.ends is None else evidence.ends.true
    told = "{} of the rows that the simulator ends are claimed as ends"
    return _ends("termination_recall", "Recall of terminations", scores, RECALL, count, told, evidence)


def _ends(
    key: str, name: str, scores: FidelityScores, limit: Limit, count: int | None, told: str, evidence: Evidence
) -> Check:
    value: float = getattr(scores, key)
    slack = 2 * math.sqrt(value * (1 - value) / count) if count else 0.0
    few = count is not None and count < MIN_ENDS
    outcome = outcome_of(math.nan if few else 1 - value - slack, limit)
    shown = "" if math.isnan(value) else f"{value:.2f}"
    rule = f"at least {1 - limit.good:g}" + (f" (chance explains {slack:.2f} less)" if slack else "")
    sentence = f"{'' if outcome == 'pass' else 'Terminations look wrong: '}{told.format(f'{value:.0%}')}."
    if outcome == "not measured":
        sentence = f"Not measured: {_why_no_ends(scores, evidence, count)}."
    return Check(key, name, value, shown, rule, limit.reason, outcome, sentence[0].upper() + sentence[1:])


def _why_no_ends(scores: FidelityScores, evidence: Evidence, count: int | None) -> str:
    if math.isnan(scores.dynamics_error):
        return evidence.why_not
    if not count or evidence.ends is None:
        return "there are no such ends"
    return f"{count} such ends among {evidence.ends.rows:,} stepped rows are too few (at least {MIN_ENDS})"


def _copies(scores: FidelityScores, evidence: Evidence) -> Check:
    value = scores.copy_share if evidence.copies is None else evidence.copies
    outcome = outcome_of(value, COPIES)
    sentence = {
        "pass": f"Rows are new: {value:.1%} lie closer to a fitted row than 99% of real rows do.",
        "not measured": "Not measured: no distances were computed.",
    }.get(outcome, f"Rows look copied: {value:.1%} lie closer to a fitted row than 99% of real rows do.")
    rule = f"at most {COPIES.good:.0%} (real rows: 1%)"
    return Check("copies", "Copies of fitted rows", value, f"{value:.1%}", rule, COPIES.reason, outcome, sentence)
