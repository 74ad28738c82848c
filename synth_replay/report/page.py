"""The HTML page, rendered from its sections and the template."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from synth_replay.buffers.snapshots import Snapshot
from synth_replay.diffusion.training import LossRecord
from synth_replay.report.copies import copies_section
from synth_replay.report.correlations import correlations_section
from synth_replay.report.diversity import diversity_section
from synth_replay.report.loss import loss_section
from synth_replay.report.marginals import marginals_section
from synth_replay.report.measure import Measured
from synth_replay.report.projection import projection_section
from synth_replay.report.provenance import entries, plain, versions
from synth_replay.report.scores import scores_section
from synth_replay.report.section import Section
from synth_replay.report.sources import sources_section
from synth_replay.report.terminations import terminations_section

FORMAT = 1
WORDS = {"pass": "passes", "warn": "warning", "fail": "fails", "not measured": "not measured"}


def render(
    measured: Measured,
    *,
    title: str,
    history: Sequence[LossRecord] | None,
    provenance: Mapping[str, Any] | None,
    notes: Sequence[str],
    snapshots: Sequence[Snapshot] | None,
    seed: int,
    step: Callable[[str], None],
) -> tuple[str, dict[str, Any]]:
    """Renders the page as HTML, and returns it with its numbers as JSON values.

    Args:
        measured: All measurements.
        title: Heading of the page.
        history: Loss history of the fit.
        provenance: Everything needed to reproduce rows and generator.
        notes: Warnings about the generator; each becomes a paragraph of the page.
        snapshots: Sources of a mixed buffer at each refresh; None omits their section.
        seed: Seed of the choice of points that are drawn.
        step: Callback with the name of each stage.
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
    data: dict[str, Any] = plain(_data(measured, title, history, known) | {"notes": list(notes)})
    page = environment.get_template("report.html.j2").render(
        title=title,
        verdict=measured.verdict,
        tone={"bad": "fail", "fair": "warn", "good": "good"}[measured.verdict.level],
        notes=notes,
        words=WORDS,
        rows=measured.rows,
        sections=sections,
        provenance=entries(known),
        data=data,
    )
    return page, data


def _sections(
    measured: Measured, history: Sequence[LossRecord] | None, seed: int, step: Callable[[str], None]
) -> list[Section]:
    makers: dict[str, Callable[[], Section]] = {
        "table of scores": lambda: scores_section(measured),
        "histograms": lambda: marginals_section(measured),
        "heat maps": lambda: correlations_section(measured),
        "projection": lambda: projection_section(measured, seed),
        "diversity": lambda: diversity_section(measured),
        "terminations": lambda: terminations_section(measured),
        "copies": lambda: copies_section(measured),
        "loss": lambda: loss_section(history),
    }
    sections = []
    for name, make in makers.items():
        step(name)
        sections.append(make())
    return sections


def _data(
    measured: Measured, title: str, history: Sequence[LossRecord] | None, provenance: Mapping[str, Any]
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
        "terminations": measured.terminations and dataclasses.asdict(measured.terminations),
        "simulator_not_used": measured.simulated if isinstance(measured.simulated, str) else None,
        "history": history,
        "provenance": provenance,
    }
