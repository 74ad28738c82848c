"""Section: all scores of the generated rows, beside those of real rows."""

from __future__ import annotations

import math

import numpy as np

from synth_replay.evaluation.scores import FidelityScores
from synth_replay.report.column_checks import worst_columns
from synth_replay.report.measure import Measured
from synth_replay.report.section import Section, Table

FLOOR = 1e-12  # rounding error of real rows in the simulator


def scores_section(measured: Measured) -> Section:
    """Builds the section: a table of the scores of the generated rows, and of real rows in their place."""
    rows = measured.rows
    used = min(len(rows.fitted), len(rows.synthetic))
    text = (
        f"The second column has the scores of real rows in place of the generated rows: {used:,} fitted rows against "
        f"{len(rows.real):,} held-out rows. No generator can be expected to score better."
    )
    if not rows.held_out:
        text = (
            "There are no held-out rows: generated rows are compared with the fitted rows, so scores are optimistic if "
            "the generator overfits. The second column compares one half of the fitted rows with the other half."
        )
    header = ("Score", "Generated", "Real rows", "Perfect")
    table = Table("Scores of generated and of real rows", header, _lines(measured))
    return Section("scores", "Fidelity scores", (text,), tables=(table,))


def _lines(measured: Measured) -> list[tuple[str, ...]]:
    scores, reference, copies = measured.scores, measured.reference, measured.copies
    lines = [_line(name, key, form, perfect, scores, reference) for name, key, form, perfect in _SCORES]
    worst = (worst_columns(scores)[0], worst_columns(reference)[0] if reference else None)
    shown = [f"{value:.3f} ({name})" for name, value in filter(None, worst)]
    lines.insert(1, ("Marginal of the worst column", shown[0], shown[1] if reference else "not measured", "1"))
    distances = (f"{np.median(copies.distances):.3g}", f"{np.median(copies.baseline):.3g}")
    share = float(np.mean(copies.baseline < copies.limit))
    lines.append(("Median distance to the nearest fitted row", *distances, "like real rows"))
    lines.append(("Copies of fitted rows", f"{copies.share:.2%}", f"{share:.2%}", "1% or less"))
    return lines


_SCORES = (
    ("Mean marginal", "marginal", ".3f", "1"),
    ("Mean correlation similarity", "correlation", ".3f", "1"),
    ("Share of terminations", "termination_rate", ".3%", "like real rows"),
    ("Median dynamics error", "dynamics_error", ".2g", "0"),
    ("Mean dynamics error", "dynamics_error_mean", ".2g", "0"),
    ("Median reward error", "reward_error", ".2g", "0"),
    ("Precision of terminations", "termination_precision", ".2f", "1"),
    ("Recall of terminations", "termination_recall", ".2f", "1"),
)


def _line(
    name: str, key: str, form: str, perfect: str, scores: FidelityScores, reference: FidelityScores | None
) -> tuple[str, ...]:
    values = [getattr(found, key) if found else math.nan for found in (scores, reference)]
    return (name, *(_text(value, form) for value in values), perfect)


def _text(value: float, form: str) -> str:
    if math.isnan(value):
        return "not measured"
    return "0" if 0 < value < FLOOR else format(value, form)
