"""Section: maps of online, offline and generated rows over the refreshes of a run (CFDG, Figure 1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

from synth_replay.buffers.snapshots import Snapshot
from synth_replay.evaluation.fidelity import numeric_columns
from synth_replay.report.section import Picture, Section
from synth_replay.report.style import draw, inner_range
from synth_replay.spaces import Array

# Blue and green for real rows, orange and purple for generated rows; offline is paler in grey-scale than online
COLOURS = {
    "online": "#2b7bba",
    "offline": "#3d9970",
    "synthetic_online": "#d9660d",
    "synthetic_offline": "#9b59b6",
    "synthetic": "#d9660d",
}
POINTS = 500
PANELS = 6

Cloud = dict[str, Array]


def sources_section(snapshots: Sequence[Snapshot], seed: int) -> Section:
    """Builds the section: a t-SNE map of the last refresh, and principal components of up to six refreshes."""
    title = "The four sources"
    if not snapshots:
        return Section("sources", title, missing="There has been no refresh yet.")
    shown = [snapshots[i] for i in sorted({round(x) for x in np.linspace(0, len(snapshots) - 1, PANELS)})]
    clouds = [_values(snapshot) for snapshot in shown]
    everything = np.concatenate([values for cloud in clouds for values in cloud.values()])
    spread = everything.std(axis=0)
    if everything.shape[1] < 2 or not spread.any() or len(everything) < 10:
        return Section("sources", title, missing="The rows do not vary enough to be drawn as a map.")
    shift, scale = everything.mean(axis=0), np.where(spread > 0, spread, 1.0)
    clouds = [{name: (values - shift) / scale for name, values in cloud.items()} for cloud in clouds]
    text = (
        "Each point is a transition with standardised columns. Generated rows should cover the real rows of their "
        "kind: orange on blue, purple on green. Online rows move as the policy improves; offline rows do not.",
        f"The first map is a t-SNE embedding of the last refresh (step {shown[-1].step:,}). The others show the first "
        "two principal components of several refreshes on the same axes.",
    )
    pictures = (_embedded(clouds[-1], shown[-1].step, seed), *_projected(clouds, [s.step for s in shown]))
    return Section("sources", title, text, pictures, "pair")


def _values(snapshot: Snapshot) -> Cloud:
    """Returns the rows to draw, with equally many generated as real rows of a kind."""
    counts = {name: min(POINTS, len(rows)) for name, rows in snapshot.rows.items() if len(rows)}
    for name in counts.keys() & {"online", "offline"}:
        if made := counts.get(f"synthetic_{name}"):
            counts[name] = counts[f"synthetic_{name}"] = min(counts[name], made)
    if made := counts.get("synthetic"):
        counts["synthetic"] = min(made, sum(counts[name] for name in counts.keys() - {"synthetic"}) or made)
    return {name: numeric_columns(snapshot.rows[name][:count])[0] for name, count in counts.items()}


def _embedded(cloud: Cloud, step: int, seed: int) -> Picture:
    joined = np.concatenate(list(cloud.values()))
    perplexity = min(30.0, (len(joined) - 1) / 3)
    points = TSNE(2, perplexity=perplexity, init="pca", random_state=seed).fit_transform(joined.astype(np.float64))
    stops = np.cumsum([len(values) for values in cloud.values()])
    parts = dict(zip(cloud, np.split(points, stops[:-1]), strict=True))
    limits = [(float(points[:, i].min()) - 1, float(points[:, i].max()) + 1) for i in (0, 1)]
    return _map(parts, limits, ("", ""), (f"t-SNE, step {step:,}", "t-SNE map"))


def _projected(clouds: list[Cloud], steps: list[int]) -> list[Picture]:
    everything = np.concatenate([values for cloud in clouds for values in cloud.values()])
    model = PCA(n_components=2, svd_solver="full").fit(everything)
    flat = [{name: model.transform(values) for name, values in cloud.items()} for cloud in clouds]
    limits = [inner_range(*(points[:, axis] for cloud in flat for points in cloud.values())) for axis in (0, 1)]
    names = ("first component", "second component")
    captions = [(f"Step {step:,}", "Principal components") for step in steps]
    return [_map(cloud, limits, names, texts) for cloud, texts in zip(flat, captions, strict=True)]


def _map(
    cloud: Cloud, limits: list[tuple[float, float]], axis_names: tuple[str, str], texts: tuple[str, str]
) -> Picture:
    caption, what = texts

    def paint(axes: Axes) -> None:
        for name, points in cloud.items():
            look: Any = {"color": COLOURS[name], "s": 5, "alpha": 0.5, "linewidths": 0, "rasterized": True}
            axes.scatter(points[:, 0], points[:, 1], label=name.replace("_", " "), **look)
        axes.set_xlim(limits[0])
        axes.set_ylim(limits[1])
        axes.set_xlabel(axis_names[0])
        axes.set_ylabel(axis_names[1])
        if not axis_names[0]:
            axes.set_xticks([])
            axes.set_yticks([])
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, 1.16), ncols=2, markerscale=2.5, columnspacing=1.0)

    centres = [f"{name.replace('_', ' ')} {p[:, 0].mean():.1f}, {p[:, 1].mean():.1f}" for name, p in cloud.items()]
    alt = f"{what} of {sum(map(len, cloud.values())):,} rows ({caption}); centres: {'; '.join(centres)}."
    return Picture(draw(3.6, 3.2, paint), alt, caption)
