"""Checks of columns: each one's distribution, and how they hang together."""

from __future__ import annotations

import math

from synth_replay.evaluation import FidelityScores
from synth_replay.report.thresholds import CORRELATION, MARGINAL, WORST_MARGINAL, WORST_PAIR, Limit
from synth_replay.report.verdict import Check, Evidence, Outcome

NAMED = 3


def outcome_of(badness: float, limit: Limit) -> Outcome:
    """NaN was not measured; it never passes."""
    if math.isnan(badness):
        return "not measured"
    if badness <= limit.good:
        return "pass"
    return "care" if badness <= limit.bad else "fail"


def column_checks(scores: FidelityScores, evidence: Evidence) -> list[Check]:
    """Marginals and correlations, on average and at their worst."""
    return [
        _marginal(scores, evidence.reference),
        _worst_marginal(scores, evidence.reference),
        _correlation(scores, evidence.reference),
        _worst_pair(evidence),
    ]


def worst_columns(scores: FidelityScores) -> list[tuple[str, float]]:
    """Columns and their marginals, worst first."""
    return sorted(scores.marginals.items(), key=lambda item: item[1])


def look_wrong(column: str) -> str:
    """``observations[3]`` to ``Observations look wrong``."""
    name = column.split("[")[0].split("/")[0].replace("_", " ")
    verb = "look" if name.endswith("s") else "looks"
    return f"{name.capitalize()} {verb} wrong"


def at_least(reference: float, limit: Limit) -> str:
    """The rule of a figure that is judged by its distance from the reference."""
    return f"at least {reference - limit.good:.3f} (real rows score {reference:.3f}; {limit.good:g} below is allowed)"


def _marginal(scores: FidelityScores, reference: FidelityScores | None) -> Check:
    real = 1.0 if reference is None else reference.marginal
    outcome = outcome_of(real - scores.marginal, MARGINAL)
    worst = ", ".join(f"{name} {value:.2f}" for name, value in worst_columns(scores)[:NAMED])
    sentence = {
        "pass": f"Single columns are distributed like the real ones: on average they match to {scores.marginal:.3f}.",
    }.get(outcome, f"Columns match the real ones to {scores.marginal:.3f} on average only, worst in {worst}.")
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
    sentence = {"pass": f"No column stands out: the worst is {column} with {value:.3f}."}.get(
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
    sentence = {
        "pass": f"Columns hang together like the real ones (correlations match to {scores.correlation:.3f}).",
        "not measured": "There are no two columns that vary, so nothing can correlate.",
    }.get(outcome, f"Correlations look wrong: similarity {scores.correlation:.3f}, {real:.3f} among real rows.")
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
    sentence = "There are no two columns that vary, so nothing can correlate."
    shown = ""
    if pair is not None:
        values = f"{pair.synthetic:z.2f} in generated rows and {pair.real:z.2f} in real ones"
        told = f"{pair.first} and {pair.second} correlate {values}"
        columns = [name for name in (pair.first, pair.second) if "rewards" in name] or [pair.second]
        wrong = "No pair stands out; the worst" if outcome == "pass" else look_wrong(columns[0])
        shown, sentence = f"{gap:.2f} ({pair.first}, {pair.second})", f"{wrong}: {told}."
    rule = f"at most {real + WORST_PAIR.good:.2f} apart (real rows are {real:.2f}; {WORST_PAIR.good:g} more is allowed)"
    return Check("worst_pair", "Correlation of the worst pair", gap, shown, rule, WORST_PAIR.reason, outcome, sentence)
