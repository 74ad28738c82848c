"""The style of all pictures: SVG that follows the reader's light or dark scheme, with dense parts rasterised."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.colors import LinearSegmentedColormap, to_rgba
from matplotlib.figure import Figure

from synth_replay.spaces import Array

REAL, SYNTHETIC, NOISE = "#2b7bba", "#d9660d", "#8c8794"  # distinguishable for colour-blind readers and in both schemes
INK, LINE, FILL = "#010203", "#040506", "#070809"  # placeholders that the SVG's own style sheet replaces
_SCHEMES = (
    "<style>:root{--ink:#3a424c;--line:#d5dae0;--fill:#a0c5e4}"
    "@media screen and (prefers-color-scheme:dark){:root{--ink:#b6bfca;--line:#3b444f;--fill:#2f6f9f}}</style>"
)
_FONT = "system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif"
_RC: Any = {
    "svg.fonttype": "none",
    "text.parse_math": False,  # names are the user's own, and may have dollar signs
    "svg.hashsalt": "synth_replay",
    "font.size": 8,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": LINE,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": LINE,
    "grid.linewidth": 0.5,
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.minor.size": 0,
    "ytick.minor.size": 0,
    "legend.frameon": False,
    "legend.handlelength": 1.4,
}
DIVERGING = LinearSegmentedColormap.from_list(  # transparent at zero
    "synth_replay",
    [(0, to_rgba(REAL)), (0.5, to_rgba(REAL, 0)), (0.5, to_rgba(SYNTHETIC, 0)), (1, to_rgba(SYNTHETIC))],
)


def draw(width: float, height: float, paint: Callable[[Axes], None], dpi: int = 160) -> str:
    """Paints one pair of axes and returns it as a data URI.

    Args:
        width: Width in inches of 96 CSS pixels.
        height: Height in inches of 96 CSS pixels.
        paint: Function that draws on the axes.
        dpi: Resolution of rasterised parts, in dots per inch.
    """
    with matplotlib.rc_context(_RC):
        figure = Figure(figsize=(width, height), dpi=dpi, layout="constrained")
        FigureCanvasSVG(figure)
        figure.patch.set_alpha(0)
        axes = figure.add_subplot()
        axes.patch.set_alpha(0)
        paint(axes)
        buffer = io.StringIO()
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(buffer, format="svg", dpi=dpi, metadata=nothing)
    return _data_uri(buffer.getvalue())


def _data_uri(svg: str) -> str:
    svg = svg[svg.index("<svg") :]  # the document type contains a link, and a page has none
    svg = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = re.sub(r"\n\s*", "\n", svg)
    for stand_in, name in ((INK, "ink"), (LINE, "line"), (FILL, "fill")):
        svg = svg.replace(stand_in, f"var(--{name})")
    svg = re.sub(r"(font: [\w ]*?[\d.]+px )[^;\"]*", lambda match: match[1] + _FONT, svg)
    head = svg.index(">") + 1
    svg = svg[:head] + _SCHEMES + svg[head:]
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


def drawable(name: str) -> str:
    """Returns a name in which U+FFFD replaces characters that fonts or XML cannot hold."""
    return re.sub(r"[\x00-\x1f\ud800-\udfff\ufffe\uffff]", "\ufffd", name)


def inner_range(*parts: Array, cut: float = 0.2) -> tuple[float, float]:
    """Computes a range of nearly all values of all parts, never empty, without ``cut`` per cent on each side."""
    low = min(float(np.percentile(part, cut)) for part in parts)
    high = max(float(np.percentile(part, 100 - cut)) for part in parts)
    margin = 0.03 * (high - low) or 0.5 * max(abs(low), 1.0)
    return low - margin, high + margin


def some_rows(values: Array, count: int, seed: int) -> Array:
    """Selects at most ``count`` rows at random and keeps their order."""
    if len(values) <= count:
        return values
    chosen: Array = values[np.sort(np.random.default_rng(seed).choice(len(values), count, replace=False))]
    return chosen
