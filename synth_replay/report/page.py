"""The page: sections poured into the template."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from synth_replay.buffers.snapshots import Snapshot
from synth_replay.report.copies import copies_section
from synth_replay.report.correlations import correlations_section
from synth_replay.report.diversity import diversity_section
from synth_replay.report.ends import ends_section
from synth_replay.report.figures import figures_section
from synth_replay.report.loss import loss_section
from synth_replay.report.marginals import marginals_section
from synth_replay.report.measure import Measured
from synth_replay.report.projection import projection_section
from synth_replay.report.provenance import entries, plain, versions
from synth_replay.report.section import Section
from synth_replay.report.sources import sources_section
from synth_replay.report.verdict import Verdict

FORMAT = 1
WORDS = {"pass": "passes", "care": "take care", "fail": "fails", "not measured": "not measured"}


def render(
    measured: Measured,
    *,
    title: str,
    history: Sequence[Mapping[str, float]] | None,
    provenance: Mapping[str, Any] | None,
    snapshots: Sequence[Snapshot] | None,
    seed: int,
    step: Callable[[str], None],
) -> str:
    """The page as HTML.

    Args:
        measured: All figures.
        title: Heading.
        history: Of the fit.
        provenance: Where rows and generator come from.
        snapshots: The sources of a mixed buffer at each refresh; None leaves their section out.
        seed: Seed of the choice of points that are drawn.
        step: Called with the name of each piece of work.
    """
    known = {**(provenance or {}), "report seed": seed, "versions": versions()}
    sections = _sections(measured, history, seed, step)
    if snapshots is not None:
        sections.insert(0, sources_section(snapshots, seed))
    environment = Environment(
        loader=PackageLoader("synth_replay.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2").render(
        title=title,
        verdict=measured.verdict,
        tone=_tone(measured.verdict),
        words=WORDS,
        rows=measured.rows,
        sections=sections,
        provenance=entries(known),
        data=plain(_data(measured, title, history, known)),
    )


def _tone(verdict: Verdict) -> str:
    outcomes = [check.outcome for check in verdict.checks]
    return next((tone for tone in ("fail", "care") if tone in outcomes), "good")


def _sections(
    measured: Measured, history: Sequence[Mapping[str, float]] | None, seed: int, step: Callable[[str], None]
) -> list[Section]:
    makers: dict[str, Callable[[], Section]] = {
        "figures": lambda: figures_section(measured),
        "histograms": lambda: marginals_section(measured),
        "heat maps": lambda: correlations_section(measured),
        "projection": lambda: projection_section(measured, seed),
        "diversity": lambda: diversity_section(measured),
        "terminations": lambda: ends_section(measured),
        "copies": lambda: copies_section(measured),
        "loss": lambda: loss_section(history),
    }
    sections = []
    for name, make in makers.items():
        step(name)
        sections.append(make())
    return sections


def _data(
    measured: Measured, title: str, history: Sequence[Mapping[str, float]] | None, provenance: Mapping[str, Any]
) -> dict[str, Any]:
    rows, copies = measured.rows, measured.copies
    return {
        "format": FORMAT,
        "title": title,
        "verdict": measured.verdict.to_dict(),
        "scores": measured.scores.to_dict(),
        "reference": measured.reference and measured.reference.to_dict(),
        "rows": {
            "fitted": len(rows.fitted),
            "held_out": len(rows.real) if rows.held_out else None,
            "synthetic": len(rows.synthetic),
        },
        "correlation_gaps": [gap._asdict() | {"gap": gap.gap} for gap in measured.gaps],
        "copies": {
            "share": copies.share,
            "limit": copies.limit,
            "median": float(np.median(copies.distances)),
            "median_real": float(np.median(copies.baseline)),
        },
        "ends": measured.ends and dataclasses.asdict(measured.ends),
        "simulator_not_used": measured.simulated if isinstance(measured.simulated, str) else None,
        "history": history,
        "provenance": provenance,
    }
