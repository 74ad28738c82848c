"""Heat maps of the divergence between training and test latents (arXiv 2508.12356, Figures 1b, 4b and 6b)."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from synth_replay.checkpoint import write_atomically
from synth_replay.errors import ConfigError
from synth_replay.evaluation.divergence import Divergence, normalized_divergences
from synth_replay.report.optional_imports import require_report_extra
from synth_replay.spaces import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 150
_INK, _MISSING = "#3a424c", "#e6e6e6"
_COLOURS = "Blues"  # one hue from light to dark is readable for colour-blind readers and in print


def divergence_map(divergences: Mapping[str, Divergence], *, ordered_by: str | None = None, title: str = "") -> Figure:
    """Draws a heat map of methods by latent dimensions, in decreasing order of divergence.

    Args:
        divergences: Divergence of each method in one environment.
        ordered_by: Method whose order of dimensions all rows share, if all methods share one encoder. By default each
            method has its own order, because dimensions of different encoders do not correspond.
        title: Title of the map, such as the environment's name.

    Raises:
        ConfigError: If there is nothing to show, ``ordered_by`` is unknown, or latents have different sizes.
        MissingExtraError: If an optional dependency is not installed.
    """
    _check(divergences, ordered_by)
    values = np.stack([found.per_dimension for found in divergences.values()])
    keys = values if ordered_by is None else np.broadcast_to(divergences[ordered_by].per_dimension, values.shape)
    values = np.take_along_axis(values, np.argsort(-keys, axis=1, kind="stable"), axis=1)
    labels = [f"{_literal(method)}\nmean {found.mean:.3f}" for method, found in divergences.items()]
    figure, axes = _figure(7.2, 0.9 + 0.45 * len(values))
    _paint(axes, values, "JS divergence (bits)", float(values.max()))
    axes.set_yticks(range(len(labels)), labels)
    axes.set_xticks([])
    order = "of each method" if ordered_by is None else f"of {_literal(ordered_by)}"
    axes.set_xlabel(f"{values.shape[1]} latent dimensions, in the order {order}", fontsize=8, color=_INK)
    axes.set_title(_literal(title), fontsize=9, color=_INK)
    return figure


def normalized_divergence_map(environments: Mapping[str, Mapping[str, Divergence]], *, title: str = "") -> Figure:
    """Draws a heat map of environments by methods: mean divergences divided by the largest of the environment.

    Args:
        environments: Divergences by environment and method; a missing one leaves a grey cell.
        title: Title of the map.

    Raises:
        ConfigError: If there is nothing to show.
        MissingExtraError: If an optional dependency is not installed.
    """
    methods = list(dict.fromkeys(method for found in environments.values() for method in found))
    if not methods:
        raise ConfigError("There are no divergences to draw.")
    means = [normalized_divergences(found) for found in environments.values()]
    values = np.array([[line.get(method, np.nan) for method in methods] for line in means])
    figure, axes = _figure(1.9 + 0.95 * len(methods), 0.9 + 0.5 * len(values))
    _paint(axes, values, "mean JS divergence,\nlargest of a row = 1", 1.0)
    for (i, j), value in np.ndenumerate(values):
        shade = "white" if value > 0.6 else _INK
        axes.text(j, i, "–" if np.isnan(value) else f"{value:.2f}", ha="center", va="center", color=shade)  # noqa: RUF001
    axes.set_yticks(range(len(values)), list(map(_literal, environments)))
    axes.set_xticks(range(len(methods)), list(map(_literal, methods)))
    axes.set_title(_literal(title), fontsize=9, color=_INK)
    return figure


def _literal(name: str) -> str:
    """Returns a name with escaped dollar signs, so that matplotlib draws them and reads no formula."""
    return name.replace("$", r"\$")


def save_png(figure: Figure, path: str | Path) -> Path:
    """Writes a PNG atomically and returns its path.

    The same figure gives the same bytes with the same version of matplotlib.

    Raises:
        OSError: If the file cannot be written.
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    write_atomically(Path(path), buffer.getvalue())
    return Path(path)


def _check(divergences: Mapping[str, Divergence], ordered_by: str | None) -> None:
    sizes = {method: len(found.per_dimension) for method, found in divergences.items()}
    if not sizes or (ordered_by is not None and ordered_by not in sizes):
        raise ConfigError(f"The map has the methods {', '.join(sizes) or 'none'}, and not {ordered_by!r} to order by.")
    if len(set(sizes.values())) > 1:
        raise ConfigError(f"A map of dimensions needs latents of one size; got {sizes}.")


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    require_report_extra()
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()


def _paint(axes: Axes, values: Array, name: str, most: float) -> None:
    from matplotlib import colormaps

    colours: Any = colormaps[_COLOURS].with_extremes(bad=_MISSING)
    image = axes.imshow(values, cmap=colours, vmin=0, vmax=most or 1.0, aspect="auto", interpolation="nearest")
    axes.hlines(np.arange(1, len(values)) - 0.5, -0.5, values.shape[1] - 0.5, color="white", linewidth=2)
    axes.tick_params(length=0, labelsize=8, labelcolor=_INK)
    axes.spines[:].set_visible(False)
    bar = axes.figure.colorbar(image, ax=axes, pad=0.02)
    bar.set_label(name, fontsize=7, color=_INK)
    bar.ax.tick_params(labelsize=7, length=0, labelcolor=_INK)
    bar.outline.set_visible(False)
