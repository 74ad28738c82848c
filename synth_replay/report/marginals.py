"""Section: the distribution of every column."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from synth_replay.report.measure import Measured
from synth_replay.report.section import Picture, Section
from synth_replay.report.style import FILL, SYNTHETIC, draw, inner_range
from synth_replay.spaces import Array

PANELS = 40
BINS = 36
FEW_VALUES = 12


def marginals_section(measured: Measured) -> Section:
    """Builds the section: a small histogram of every column, or of the worst columns if there are many."""
    rows, scores = measured.rows, measured.scores.marginals
    shown = list(range(len(rows.names)))
    text = (
        "Filled areas are real rows, lines are generated rows. The number is the match of the two distributions: 1 is "
        "perfect. The outermost bins include all values beyond them."
    )
    if len(shown) > PANELS:
        shown = sorted(shown, key=lambda i: scores[rows.names[i]])[:PANELS]
        text += f" The {PANELS} of {len(rows.names)} columns with the lowest match are shown, worst first."
    worst = min(scores, key=lambda name: scores[name])
    return Section(
        "marginals",
        "Distributions",
        (text,),
        tuple(_panel(measured, i) for i in shown),
        "panels",
        f"Histograms of {len(shown)} columns. Worst match: {worst} with {scores[worst]:.3f}.",
    )


def _panel(measured: Measured, column: int) -> Picture:
    name = measured.rows.names[column]
    real, synthetic = measured.rows.real_values[:, column], measured.rows.synthetic_values[:, column]
    score = f"{measured.scores.marginals[name]:.3f}"
    alt = (
        f"Histogram of {name}, match {score}. Real rows: mean {real.mean():.3g}, standard deviation "
        f"{real.std():.3g}. Generated rows: mean {synthetic.mean():.3g}, standard deviation {synthetic.std():.3g}."
    )
    return Picture(overlaid(real, synthetic), alt, name, score)


def overlaid(real: Array, synthetic: Array, width: float = 1.9, height: float = 1.15) -> str:
    """Draws two histograms on the same bins, each as shares of its rows, and returns a data URI."""
    edges = _edges(real, synthetic)

    def paint(axes: Axes) -> None:
        axes.stairs(_shares(real, edges), edges, fill=True, color=FILL, linewidth=0)
        axes.stairs(_shares(synthetic, edges), edges, color=SYNTHETIC, linewidth=1.2)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.set_ylim(bottom=0)
        axes.locator_params(axis="x", nbins=4)
        axes.tick_params(labelsize=7)

    return draw(width, height, paint)


def _edges(real: Array, synthetic: Array) -> Array:
    levels = np.unique(real)
    if len(levels) <= FEW_VALUES and (levels == np.round(levels)).all():  # categories get one bar each
        low, high = min(real.min(), synthetic.min()), max(real.max(), synthetic.max())
        if high - low <= 4 * FEW_VALUES:
            return np.arange(np.floor(low) - 0.5, np.ceil(high) + 1.0)
    low, high = inner_range(real, synthetic)
    edges: Array = np.linspace(low, high, BINS + 1)
    return edges


def _shares(values: Array, edges: Array) -> Array:
    """Computes the share of the rows in each bin; values outside count in the outermost bins."""
    counts, _ = np.histogram(np.clip(values, edges[0], edges[-1]), edges)
    shares: Array = counts / len(values)
    return shares
