"""Section: correlations of the columns."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from synth_replay.report.measure import Measured
from synth_replay.report.section import Picture, Section, Table
from synth_replay.report.style import DIVERGING, INK, draw, drawable
from synth_replay.spaces import Array

MAX_COLUMNS = 120


def correlations_section(measured: Measured) -> Section:
    """Builds the section: heat maps of the real rows, the generated rows and the difference, and the worst pairs."""
    if not measured.gaps:
        return Section("correlations", "Correlations", missing="There are no two columns that vary in both data sets.")
    (real, synthetic), names = measured.correlations, measured.rows.names
    difference = synthetic - real
    text = "Pearson's correlation of every pair of columns. Blue is negative, orange positive, blank zero or undefined."
    if len(names) > MAX_COLUMNS:
        worst = np.sort(np.argsort(-np.nan_to_num(np.abs(difference)).max(axis=0), kind="stable")[:MAX_COLUMNS])
        real, synthetic, difference = (matrix[np.ix_(worst, worst)] for matrix in (real, synthetic, difference))
        text += f" The {MAX_COLUMNS} of {len(names)} columns with the largest differences are shown."
        names = [names[i] for i in worst]
    gap = measured.gaps[0]
    apart = f"{gap.first} and {gap.second}, {gap.real:z.2f} in real rows and {gap.synthetic:z.2f} in generated rows"
    pictures = (
        Picture(_heat_map(real, names, 1.0), f"Heat map of {_spread(real)} among real rows.", "Real"),
        Picture(
            _heat_map(synthetic, names, 1.0), f"Heat map of {_spread(synthetic)} among generated rows.", "Generated"
        ),
        _difference(difference, names, max(gap.gap, 0.1), apart),
    )
    summary = f"Similarity {measured.scores.correlation:.3f}. Largest difference: {apart}."
    return Section("correlations", "Correlations", (text,), pictures, "pair", summary, (_table(measured),))


def _difference(difference: Array, names: list[str], most: float, apart: str) -> Picture:
    alt = f"Heat map of the differences of the correlations; the largest is that of {apart}."
    return Picture(_heat_map(difference, names, most), alt, "Generated minus real", f"scale ±{most:.2f}")


def _table(measured: Measured) -> Table:
    rows = [
        (f"{g.first} × {g.second}", f"{g.real:z.3f}", f"{g.synthetic:z.3f}", f"{g.gap:.3f}")  # noqa: RUF001
        for g in measured.gaps
    ]
    return Table("Pairs with the largest differences", ("Columns", "Real", "Generated", "Difference"), rows)


def _spread(matrix: Array) -> str:
    values = matrix[np.triu_indices(len(matrix), k=1)]
    values = values[np.isfinite(values)]
    if not len(values):
        return "no correlations"
    return f"{len(values)} correlations from {values.min():.2f} to {values.max():.2f}"


def _heat_map(matrix: Array, names: list[str], most: float) -> str:
    groups = [name.split("[")[0] for name in names]
    starts = [i for i, group in enumerate(groups) if i == 0 or group != groups[i - 1]]
    ends = [*starts[1:], len(names)]
    middles = [(a + b - 1) / 2 for a, b in zip(starts, ends, strict=True)]

    def paint(axes: Axes) -> None:
        image = axes.imshow(np.nan_to_num(matrix), cmap=DIVERGING, vmin=-most, vmax=most, interpolation="nearest")
        for edge in starts[1:]:
            axes.axhline(edge - 0.5, color=INK, linewidth=0.4)
            axes.axvline(edge - 0.5, color=INK, linewidth=0.4)
        labels = [_short(groups[i]) for i in starts]
        axes.set_xticks(middles, labels, rotation=45, ha="right", rotation_mode="anchor")
        axes.set_yticks(middles, labels)
        axes.tick_params(length=0)
        axes.spines[["left", "bottom"]].set_visible(False)
        bar = axes.figure.colorbar(image, ax=axes, shrink=0.75, pad=0.03, ticks=[-most, 0, most])
        bar.ax.set_yticklabels([f"{-most:.2g}", "0", f"{most:.2g}"])
        bar.ax.patch.set_alpha(0)
        bar.outline.set_visible(False)

    return draw(3.4, 2.9, paint)


def _short(group: str) -> str:
    group = drawable(group)
    return {"observations": "obs", "next_observations": "next obs", "actions": "act", "rewards": "rew"}.get(
        group, group.replace("next_observations/", "next ").replace("observations/", "").replace("_", " ")
    )
