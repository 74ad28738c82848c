"""Checks of columns: their distributions and their correlations."""

from __future__ import annotations

import math

from synth_replay.evaluation.scores import FidelityScores
from synth_replay.report.thresholds import CORRELATION, MARGINAL, WORST_MARGINAL, WORST_PAIR, Limit
from synth_replay.report.verdict import Check, Evidence, Outcome

NAMED = 3  # most columns to name in a sentence


def outcome_of(badness: float, limit: Limit) -> Outcome:
    """Compares a score, where less is better, with its limits; NaN was not measured and never passes."""
    if math.isnan(badness):
        return "not measured"
    if badness <= limit.good:
        return "pass"
    return "warn" if badness <= limit.bad else "fail"


def column_checks(scores: FidelityScores, evidence: Evidence) -> list[Check]:
    """Makes the checks of marginals and correlations, of their means and of the worst columns."""
    return [
        _marginal(scores, evidence.reference),
        _worst_marginal(scores, evidence.reference),
        _correlation(scores, evidence.reference),
        _worst_pair(evidence),
    ]


def worst_columns(scores: FidelityScores) -> list[tuple[str, float]]:
    """Sorts columns and their marginals, worst first."""
    return sorted(scores.marginals.items(), key=lambda item: item[1])


def look_wrong(column: str) -> str:
    """Words the fault of a column: ``Observations look wrong`` for ``observations[3]``."""
    name = column.split("[")[0].split("/")[0].replace("_", " ")
    verb = "look" if name.endswith("s") else "looks"
    return f"{name.capitalize()} {verb} wrong"


def at_least(reference: float, limit: Limit) -> str:
    """Words the rule of a score that is judged by its distance from the reference."""
    return f"at least {reference - limit.good:.3f} (real rows score {reference:.3f}; {limit.good:g} less is allowed)"


def _marginal(scores: FidelityScores, reference: FidelityScores | None) -> Check:
    real = 1.0 if reference is None else reference.marginal
    outcome = outcome_of(real - scores.marginal, MARGINAL)
    worst = ", ".join(f"{name} {value:.2f}" for name, value in worst_columns(scores)[:NAMED])
    similarity = f"average similarity is {scores.marginal:.3f} (1 = identical)"
    sentence = {"pass": f"The distributions of single columns match the real data: {similarity}."}.get(
        outcome, f"The distributions of single columns look wrong: {similarity}, lowest in {worst}."
    )
    return Check(
        "marginal",
        "Mean marginal",
        scores.marginal,
        f"{scores.marginal:.3f}",
        at_least(real, MARGINAL),
        MARGINAL.reason,
        outcome,
        sentence,
    )


def _worst_marginal(scores: FidelityScores, reference: FidelityScores | None) -> Check:
    ranked = worst_columns(scores)
    column, value = ranked[0]
    real = 1.0 if reference is None else min(reference.marginals.values())
    outcome = outcome_of(real - value, WORST_MARGINAL)
    also = [f"{name} is {score:.2f}" for name, score in ranked[1:NAMED] if real - score > WORST_MARGINAL.good]
    detail = "; ".join([f"the marginal of {column} is {value:.2f}", *also])
    sentence = {"pass": f"No column stands out: the lowest similarity is {value:.3f}, of {column}."}.get(
        outcome, f"{look_wrong(column)}: {detail}."
    )
    return Check(
        "worst_marginal",
        "Marginal of the worst column",
        value,
        f"{value:.3f} ({column})",
        at_least(real, WORST_MARGINAL),
        WORST_MARGINAL.reason,
        outcome,
        sentence,
    )


def _correlation(scores: FidelityScores, reference: FidelityScores | None) -> Check:
    real = 1.0 if reference is None or math.isnan(reference.correlation) else reference.correlation
    outcome = outcome_of(real - scores.correlation, CORRELATION)
    similarity = f"average similarity is {scores.correlation:.3f}"
    sentence = {
        "pass": f"Correlations match the real data: {similarity} (1 = identical).",
        "not measured": "No two columns vary, so there are no correlations.",
    }.get(outcome, f"Correlations look wrong: {similarity}, that of real rows {real:.3f} (1 = identical).")
    return Check(
        "correlation",
        "Mean correlation similarity",
        scores.correlation,
        f"{scores.correlation:.3f}",
        at_least(real, CORRELATION),
        CORRELATION.reason,
        outcome,
        sentence,
    )


def _worst_pair(evidence: Evidence) -> Check:
    pair, real = evidence.pair, 0.0 if evidence.reference_pair is None else evidence.reference_pair.gap
    gap = math.nan if pair is None else pair.gap
    outcome = outcome_of(gap - real, WORST_PAIR)
    sentence = "No two columns vary, so there are no correlations."
    shown = ""
    if pair is not None:
        values = f"{pair.synthetic:z.2f} in generated rows and {pair.real:z.2f} in real rows"
        correlation = f"the correlation of {pair.first} and {pair.second} is {values}"
        columns = [name for name in (pair.first, pair.second) if "rewards" in name] or [pair.second]
        start = (
            "No pair of columns stands out; in the worst pair" if outcome == "pass" else f"{look_wrong(columns[0])}:"
        )
        shown, sentence = f"{gap:.2f} ({pair.first}, {pair.second})", f"{start} {correlation}."
    allowed = f"real rows differ by {real:.2f}; {WORST_PAIR.good:g} more is allowed"
    rule = f"differs by at most {real + WORST_PAIR.good:.2f} ({allowed})"
    return Check("worst_pair", "Correlation of the worst pair", gap, shown, rule, WORST_PAIR.reason, outcome, sentence)
