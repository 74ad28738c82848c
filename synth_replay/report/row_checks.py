"""Checks of whole rows: terminations, agreement with the simulator, and copies."""

from __future__ import annotations

import math

from synth_replay.evaluation.scores import FidelityScores
from synth_replay.report.column_checks import outcome_of
from synth_replay.report.thresholds import (
    COPIES,
    DYNAMICS,
    MIN_TERMINATIONS,
    PRECISION,
    RECALL,
    REWARD,
    TERMINATION_RATE,
    Limit,
)
from synth_replay.report.verdict import Check, Evidence


def row_checks(scores: FidelityScores, evidence: Evidence) -> list[Check]:
    """Makes the checks of terminations, dynamics, rewards and copies."""
    return [
        _rate(scores, evidence),
        _dynamics(scores, evidence),
        _reward(scores, evidence),
        _precision(scores, evidence),
        _recall(scores, evidence),
        _copies(scores, evidence),
    ]


def chance(scores: FidelityScores, rows: tuple[int, int] | None) -> float:
    """Computes two standard errors of the difference of the termination rates of real and generated rows."""
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
    rates = f"{rate:.2%} of the generated rows and {real:.2%} of the real rows"
    sentence = {"pass": f"Termination rates agree: {rates} are terminal."}.get(
        outcome, f"Terminations look wrong: there are {more}. {rates} are terminal."
    )
    rule = f"within {TERMINATION_RATE.good:.0%} of the real rows' {real:.2%} (chance explains {slack:.2%} more)"
    name = "Share of terminations"
    return Check("termination_rate", name, rate, f"{rate:.2%}", rule, TERMINATION_RATE.reason, outcome, sentence)


def _dynamics(scores: FidelityScores, evidence: Evidence) -> Check:
    value = scores.dynamics_error
    typical = f"half of the rows have an error below {_root(value)} standard deviations"
    sentences = (
        f"Next observations agree with the simulator: {typical}.",
        f"Next observations look wrong: only {typical}.",
    )
    return _simulated("dynamics_error", "Median dynamics error", value, DYNAMICS, sentences, evidence)


def _reward(scores: FidelityScores, evidence: Evidence) -> Check:
    value = scores.reward_error
    typical = f"half of the rows have an error below {_root(value)} standard deviations"
    sentences = (f"Rewards agree with the simulator: {typical}.", f"Rewards look wrong: only {typical}.")
    return _simulated("reward_error", "Median reward error", value, REWARD, sentences, evidence)


def _root(value: float) -> str:
    return "" if math.isnan(value) else f"{math.sqrt(value):.2g}"


def _simulated(
    key: str, name: str, value: float, limit: Limit, sentences: tuple[str, str], evidence: Evidence
) -> Check:
    """Makes a check of the simulator; ``sentences`` are those of a pass and of a fault."""
    outcome = outcome_of(value, limit)
    sentence = sentences[0] if outcome == "pass" else sentences[1]
    if outcome == "not measured":
        sentence = f"Not measured: {evidence.why_not}."
    shown = "" if math.isnan(value) else f"{value:.2g}"
    return Check(key, name, value, shown, f"at most {limit.good:g}", limit.reason, outcome, sentence)


def _precision(scores: FidelityScores, evidence: Evidence) -> Check:
    count = None if evidence.terminations is None else evidence.terminations.generated
    text = "the simulator confirms {} of the generated terminations"
    return _terminations("termination_precision", "Precision of terminations", scores, PRECISION, count, text, evidence)


def _recall(scores: FidelityScores, evidence: Evidence) -> Check:
    count = None if evidence.terminations is None else evidence.terminations.simulated
    text = "{} of the simulator's terminations are generated as such"
    return _terminations("termination_recall", "Recall of terminations", scores, RECALL, count, text, evidence)


def _terminations(
    key: str, name: str, scores: FidelityScores, limit: Limit, count: int | None, text: str, evidence: Evidence
) -> Check:
    value: float = getattr(scores, key)
    slack = 2 * math.sqrt(value * (1 - value) / count) if count else 0.0
    few = count is not None and count < MIN_TERMINATIONS
    outcome = outcome_of(math.nan if few else 1 - value - slack, limit)
    shown = "" if math.isnan(value) else f"{value:.2f}"
    rule = f"at least {1 - limit.good:g}" + (f" (chance explains {slack:.2f} less)" if slack else "")
    sentence = f"{'' if outcome == 'pass' else 'Terminations look wrong: '}{text.format(f'{value:.0%}')}."
    if outcome == "not measured":
        sentence = f"Not measured: {_why_unmeasured(scores, evidence, count)}."
    return Check(key, name, value, shown, rule, limit.reason, outcome, sentence[0].upper() + sentence[1:])


def _why_unmeasured(scores: FidelityScores, evidence: Evidence, count: int | None) -> str:
    if math.isnan(scores.dynamics_error):
        return evidence.why_not
    if not count or evidence.terminations is None:
        return "there are no such terminations"
    rows = f"{evidence.terminations.rows:,} stepped rows"
    return f"{count} such terminations among {rows} are too few (at least {MIN_TERMINATIONS})"


def _copies(scores: FidelityScores, evidence: Evidence) -> Check:
    value = scores.copy_share if evidence.copies is None else evidence.copies
    outcome = outcome_of(value, COPIES)
    closer = f"{value:.1%} are closer to a fitted row than 99% of the real rows are"
    sentence = {
        "pass": f"Rows are new: {closer}.",
        "not measured": "Not measured: no distances were computed.",
    }.get(outcome, f"Rows look copied: {closer}.")
    rule = f"at most {COPIES.good:.0%} (real rows: 1%)"
    return Check("copies", "Copies of fitted rows", value, f"{value:.1%}", rule, COPIES.reason, outcome, sentence)
