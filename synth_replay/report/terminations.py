"""Section: rates of terminations, their agreement with the simulator, and the terminal states."""

from __future__ import annotations

import numpy as np

from synth_replay.evaluation.fidelity import ks_complement
from synth_replay.report.marginals import overlaid
from synth_replay.report.measure import Measured
from synth_replay.report.section import Picture, Section, Table
from synth_replay.spaces import Array

PANELS = 4


def terminations_section(measured: Measured) -> Section:
    """Builds the section: rates, the simulator's confusion table, and histograms of terminal rows."""
    scores = measured.scores
    text = (
        f"{scores.termination_rate:.3%} of the generated rows and {scores.termination_rate_real:.3%} of the real rows "
        "are terminal."
    )
    pictures, why_not = _terminal_rows(measured)
    shown = why_not or (
        f"The panels show terminal rows only, in the {len(pictures)} columns that distinguish them best from other "
        "rows: real rows filled, generated rows as a line. With few terminal rows, histograms are rough and matches "
        "low."
    )
    tables = (_rates(measured), *_confusion(measured))
    simulator = () if measured.terminations else (f"Precision and recall are not measured: {measured.simulated}.",)
    return Section("terminations", "Terminations", (text, *simulator, shown), pictures, "panels", "", tables)


def _rates(measured: Measured) -> Table:
    rows = measured.rows
    sets = {"Generated": rows.synthetic, "Held out": rows.real, "Fitted": rows.fitted}
    if not rows.held_out:
        del sets["Held out"]
    flags = {label: part.terminations for label, part in sets.items()}
    lines = [(label, f"{len(f):,}", f"{int(f.sum()):,}", f"{f.mean():.3%}") for label, f in flags.items()]
    return Table("Termination rates", ("Rows", "Number", "Terminal", "Share"), lines)


def _confusion(measured: Measured) -> tuple[Table, ...]:
    counts = measured.terminations
    if counts is None:
        return ()
    missed, false = counts.simulated - counts.confirmed, counts.generated - counts.confirmed
    right = counts.rows - counts.confirmed - missed - false
    precision, recall = _share(counts.confirmed, counts.generated), _share(counts.confirmed, counts.simulated)
    lines = [
        ("Simulator terminates", f"{counts.confirmed:,}", f"{missed:,}", f"recall {recall}"),
        ("Simulator continues", f"{false:,}", f"{right:,}", ""),
        ("Of these columns", f"precision {precision}", "", f"{counts.rows:,} rows stepped"),
    ]
    header = ("", "Terminal rows", "Other rows", "Of these rows")
    return (Table("Generated rows against the simulator", header, lines),)


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.2f}" if whole else "not measured (none)"


def _terminal_rows(measured: Measured) -> tuple[tuple[Picture, ...], str]:
    """Draws terminal rows in the columns that distinguish them best, or says why there is nothing to draw."""
    rows = measured.rows
    flags = rows.fitted.terminations  # the largest set of real terminations
    real, synthetic = rows.fitted_values[flags], rows.synthetic_values[rows.synthetic.terminations]
    if not len(real) or not len(synthetic):
        return (), f"Terminal rows cannot be compared: {_none(len(real), len(synthetic))}."
    likeness = ks_complement(real, rows.fitted_values[~flags]) if (~flags).any() else np.zeros(len(rows.names))
    matches = ks_complement(real, synthetic)
    chosen = np.argsort(likeness, kind="stable")[:PANELS]
    return tuple(_panel(rows.names[i], real[:, i], synthetic[:, i], matches[i]) for i in chosen), ""


def _none(real: int, synthetic: int) -> str:
    if not real and not synthetic:
        return "neither real nor generated rows are terminal"
    return "no generated row is terminal" if real else "no real row is terminal"


def _panel(name: str, real: Array, synthetic: Array, match: float) -> Picture:
    alt = (
        f"Histogram of {name} over terminal rows, match {match:.2f}: {len(real):,} real rows with mean "
        f"{real.mean():.3g}, {len(synthetic):,} generated rows with mean {synthetic.mean():.3g}."
    )
    return Picture(overlaid(real, synthetic), alt, name, f"{match:.2f}")
