"""Section: do episodes end when they should?"""

from __future__ import annotations

import numpy as np

from synth_replay.evaluation import ks_complement
from synth_replay.report.marginals import overlaid
from synth_replay.report.measure import Measured
from synth_replay.report.section import Picture, Section, Table
from synth_replay.spaces import Array

TELLING = 4


def ends_section(measured: Measured) -> Section:
    """Rates, the simulator's confusion table, and where in the state space the ends are."""
    scores = measured.scores
    text = (
        f"{scores.termination_rate:.3%} of the generated rows claim to be an end, "
        f"{scores.termination_rate_real:.3%} of the real ones are ends."
    )
    pictures, why = _where(measured)
    where = why or (
        f"Below are terminal rows only, in the {len(pictures)} columns that tell ends from other rows best: real "
        "filled, generated a line. Few ends make rough histograms and a lower match."
    )
    tables = (_rates(measured), *_confusion(measured))
    simulator = () if measured.ends else (f"Precision and recall are not measured: {measured.simulated}.",)
    return Section("terminations", "Terminations", (text, *simulator, where), pictures, "panels", "", tables)


def _rates(measured: Measured) -> Table:
    rows = measured.rows
    sets = {"Generated": rows.synthetic, "Held out": rows.real, "Fitted": rows.fitted}
    if not rows.held_out:
        del sets["Held out"]
    flags = {label: part.terminations for label, part in sets.items()}
    told = [(label, f"{len(f):,}", f"{int(f.sum()):,}", f"{f.mean():.3%}") for label, f in flags.items()]
    return Table("Termination rates", ("Rows", "Number", "Terminal", "Share"), told)


def _confusion(measured: Measured) -> tuple[Table, ...]:
    ends = measured.ends
    if ends is None:
        return ()
    missed, false = ends.true - ends.both, ends.claimed - ends.both
    right = ends.rows - ends.both - missed - false
    rows = [
        ("Simulator ends", f"{ends.both:,}", f"{missed:,}", f"recall {_share(ends.both, ends.true)}"),
        ("Simulator goes on", f"{false:,}", f"{right:,}", ""),
        ("Of these columns", f"precision {_share(ends.both, ends.claimed)}", "", f"{ends.rows:,} rows stepped"),
    ]
    return (Table("Generated rows against the simulator", ("", "Row ends", "Row goes on", "Of these rows"), rows),)


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.2f}" if whole else "not measured (none)"


def _where(measured: Measured) -> tuple[tuple[Picture, ...], str]:
    rows = measured.rows
    flags = rows.fitted.terminations  # the largest set of real ends
    real, synthetic = rows.fitted_values[flags], rows.synthetic_values[rows.synthetic.terminations]
    if not len(real) or not len(synthetic):
        return (), "Where episodes end cannot be compared: " + _none(len(real), len(synthetic)) + "."
    telling = ks_complement(real, rows.fitted_values[~flags]) if (~flags).any() else np.zeros(len(rows.names))
    matches = ks_complement(real, synthetic)
    chosen = np.argsort(telling, kind="stable")[:TELLING]
    return tuple(_panel(rows.names[i], real[:, i], synthetic[:, i], matches[i]) for i in chosen), ""


def _none(real: int, synthetic: int) -> str:
    if not real and not synthetic:
        return "neither real nor generated rows end"
    return "no generated row ends" if real else "no real row ends"


def _panel(name: str, real: Array, synthetic: Array, match: float) -> Picture:
    alt = (
        f"Histogram of {name} over terminal rows, match {match:.2f}: {len(real):,} real ones with mean "
        f"{real.mean():.3g}, {len(synthetic):,} generated ones with mean {synthetic.mean():.3g}."
    )
    return Picture(overlaid(real, synthetic), alt, name, f"{match:.2f}")
