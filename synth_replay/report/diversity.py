"""Section: novelty of the rows against their dynamics error (SynthER's Figure 5)."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator

from synth_replay.report.measure import Measured
from synth_replay.report.section import Picture, Section
from synth_replay.report.simulated import Simulated
from synth_replay.report.style import NOISE, REAL, SYNTHETIC, draw
from synth_replay.spaces import Array

FLOOR = 1e-8
TITLE = "Diversity against dynamics error"
Cloud = tuple[str, str, Array, Array]


def diversity_section(measured: Measured) -> Section:
    """Builds the section: distance to the fitted rows against the dynamics error, row by row."""
    found = measured.simulated
    if not isinstance(found, Simulated) or measured.noise_distances is None:
        return Section("diversity", TITLE, missing=f"Not measured: {found}. This section needs a simulator.")
    copies = measured.copies
    real = "held-out rows" if measured.rows.held_out else "fitted rows"
    clouds = [
        _cloud("fitted rows + noise 0.1", NOISE, measured.noise_distances, found.noise.next_observation),
        _cloud(real, REAL, copies.baseline, found.real.next_observation),
        _cloud("generated rows", SYNTHETIC, copies.distances, found.synthetic.next_observation),
    ]
    count = min(len(x) for _, _, x, _ in clouds)  # equal, so that equal densities look equal
    clouds = [(name, colour, x[:count], y[:count]) for name, colour, x, y in clouds]
    text = (
        "Each point is a row. Rows further right are newer: they are further from all fitted rows. Rows lower down "
        "are more accurate: they agree better with the simulator. Good rows lie low, and as far right as real rows. "
        "Additive noise is SynthER's best explicit augmentation: it stays close to the data and violates the dynamics.",
        f"Distances are in standard deviations per dimension; errors are squared, in variances of the next state. "
        f"Errors below {FLOOR:g} are drawn at {FLOOR:g}.",
    )
    medians = "; ".join(
        f"{len(x):,} {name}: median distance {np.median(x):.2g}, median error {_error(y)}"
        for name, _, x, y in reversed(clouds)
    )
    alt = f"Scatter plot on logarithmic axes. {medians}."
    picture = Picture(draw(4.1, 3.3, lambda axes: _paint(axes, clouds)), alt, "")
    return Section("diversity", TITLE, text, (picture,), "single", f"{medians}.")


def _cloud(name: str, colour: str, distances: Array, errors: Array) -> Cloud:
    count = min(len(distances), len(errors))
    return name, colour, distances[:count], np.maximum(errors[:count], FLOOR)


def _error(errors: Array) -> str:
    middle = float(np.median(errors))
    return f"{middle:.2g}" if middle > FLOOR else f"below {FLOOR:g}"


def _paint(axes: Axes, clouds: list[Cloud]) -> None:
    for name, colour, x, y in clouds:
        axes.scatter(np.maximum(x, 1e-6), y, s=4, color=colour, alpha=0.4, linewidths=0, rasterized=True, label=name)
    axes.set(xscale="log", yscale="log", xlabel="distance to the nearest fitted row", ylabel="dynamics error")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(numticks=6))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.grid(True)
    legend = axes.figure.legend(
        loc="outside upper left", ncols=3, markerscale=2.5, columnspacing=1.0, handletextpad=0.2
    )
    for handle in legend.legend_handles:
        if handle is not None:
            handle.set_alpha(1)
