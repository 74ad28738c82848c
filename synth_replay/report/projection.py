"""Section: a projection of all columns to two dimensions."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from sklearn.decomposition import PCA

from synth_replay.report.measure import Measured
from synth_replay.report.section import Picture, Section
from synth_replay.report.style import REAL, SYNTHETIC, draw, inner_range, some_rows
from synth_replay.spaces import Array

POINTS = 3_000


def projection_section(measured: Measured, seed: int) -> Section:
    """Builds the section: real and generated rows in the first two principal components of the real rows."""
    rows = measured.rows
    spread = rows.real_values.std(axis=0)
    if len(rows.names) < 2 or not spread.any() or len(rows.real_values) < 3:
        return Section("pca", "All columns at once", missing="Real rows do not vary enough to be projected.")
    shift, scale = rows.real_values.mean(axis=0), np.where(spread > 0, spread, 1.0)
    real, synthetic = ((values - shift) / scale for values in (rows.real_values, rows.synthetic_values))
    model = PCA(n_components=2, svd_solver="full").fit(some_rows(real, 10 * POINTS, seed))
    shares = model.explained_variance_ratio_
    count = min(POINTS, len(real), len(synthetic))  # equal, so that equal densities look equal
    points = [model.transform(some_rows(values, count, seed)) for values in (real, synthetic)]
    limits = [inner_range(*(part[:, axis] for part in points)) for axis in (0, 1)]
    clouds = zip(("real", "generated"), (REAL, SYNTHETIC), points, strict=True)
    text = (
        f"The first two principal components of the standardised real rows explain {shares[0]:.0%} and "
        f"{shares[1]:.0%} of the variance. Both clouds have {count:,} points. They should have the same shape and "
        "density."
    )
    summary = f"{_inside(points[1], limits):.1%} of the generated points lie in the frame."
    pictures = tuple(_cloud(name, colour, part, limits) for name, colour, part in clouds)
    return Section("pca", "All columns at once", (text,), pictures, "pair", summary)


def _inside(points: Array, limits: list[tuple[float, float]]) -> float:
    low, high = np.array(limits).T
    return float(np.mean(((points >= low) & (points <= high)).all(axis=1)))


def _cloud(name: str, colour: str, points: Array, limits: list[tuple[float, float]]) -> Picture:
    def paint(axes: Axes) -> None:
        axes.scatter(points[:, 0], points[:, 1], s=3, color=colour, alpha=0.35, linewidths=0, rasterized=True)
        axes.set_xlim(limits[0])
        axes.set_ylim(limits[1])
        axes.set_xlabel("first component")
        axes.set_ylabel("second component")
        axes.grid(True)

    (x, y), (sx, sy) = points.mean(axis=0), points.std(axis=0)
    alt = (
        f"Scatter of {len(points):,} {name} rows in two principal components: centre {x:.2f}, {y:.2f}; "
        f"standard deviations {sx:.2f}, {sy:.2f}."
    )
    return Picture(draw(3.6, 2.9, paint), alt, name.capitalize(), f"{len(points):,} rows")
