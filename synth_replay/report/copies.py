"""Section: distances to the fitted rows, which reveal copies."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from synth_replay.report.measure import Measured
from synth_replay.report.section import Picture, Section
from synth_replay.report.style import FILL, INK, SYNTHETIC, draw, inner_range

BINS = 50


def copies_section(measured: Measured) -> Section:
    """Builds the section: distances of generated and of real rows to the nearest fitted row."""
    copies = measured.copies
    real = "held-out rows" if measured.rows.held_out else "fitted rows, to their nearest other row"
    text = (
        f"Distance of {len(copies.distances):,} generated rows and {len(copies.baseline):,} {real} to the nearest of "
        f"all {len(measured.rows.fitted):,} fitted rows, in standard deviations per dimension. A row closer than "
        f"{copies.limit:.3g} (closer than 99% of the real rows) counts as a copy. Identical histograms are ideal. If "
        "the generated one lies further right, generated rows fall between the data."
    )
    medians = (
        f"median {np.median(copies.distances):.3g} for generated rows, {np.median(copies.baseline):.3g} for real rows"
    )
    alt = (
        f"Histogram of distances to the nearest fitted row: {medians}; {copies.share:.1%} of the generated rows are "
        "copies."
    )
    summary = f"{copies.share:.1%} of the generated rows count as copies; {medians}."
    picture = Picture(draw(4.1, 2.3, lambda axes: _paint(axes, measured)), alt, "")
    return Section("copies", "Copies", (text,), (picture,), "single", summary)


def _paint(axes: Axes, measured: Measured) -> None:
    copies = measured.copies
    low, high = inner_range(copies.distances, copies.baseline, cut=0.5)
    edges = np.linspace(max(low, 0.0), high, BINS + 1)
    real, synthetic = (
        np.histogram(np.clip(values, edges[0], high), edges)[0] / len(values)
        for values in (copies.baseline, copies.distances)
    )
    axes.stairs(real, edges, fill=True, color=FILL, label="real", linewidth=0)
    axes.stairs(synthetic, edges, color=SYNTHETIC, label="generated", linewidth=1.3)
    axes.axvline(copies.limit, color=INK, linewidth=0.9, linestyle="--", label="limit of a copy")
    axes.set(xlabel="distance to the nearest fitted row", ylabel="share of rows", ylim=(0, None))
    axes.legend()
