"""Table and picture of the study: ``python -m benchmarks.pressure.summary`` reads ``runs/``."""

from __future__ import annotations

import json
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.pressure.points import Point, as_dicts, correlations, points
from benchmarks.pressure.study import ENVIRONMENTS, ROOT, WIDTH, runs

DOCS = ROOT.parent.parent / "docs"
COLOURS = dict(zip(ENVIRONMENTS, ("#0072B2", "#D55E00", "#009E73"), strict=True))
MARKERS = {500: "o", 1_500: "s", 5_000: "^"}
PANELS = (
    ("TD3+BC", lambda p: p.algorithm == "td3bc" and not p.layer_norm),
    ("IQL", lambda p: p.algorithm == "iql"),
    ("TD3+BC, layer norm in the critics", lambda p: p.layer_norm),
)
SHOWN_SHARE = 0.5


def panel(axes: Axes, found: list[Point], title: str) -> None:
    """Draws the gain against draws per row, one line a cell."""
    axes.axhline(0, color="#888888", lw=0.8)
    for env_id, colour in COLOURS.items():
        for rows, marker in MARKERS.items():
            mine = sorted((p for p in found if (p.env_id, p.rows) == (env_id, rows)), key=lambda p: p.draws)
            if mine:
                gains = [p.gain for p in mine]
                error = [[p.gain - p.low for p in mine], [p.high - p.gain for p in mine]]
                label = f"{env_id}, {rows:,} rows"
                look: dict[str, Any] = {"color": colour, "marker": marker, "ms": 4, "lw": 1, "capsize": 2}
                axes.errorbar([p.draws for p in mine], gains, error, label=label, **look)
    axes.set_xscale("log", base=2)
    axes.set_title(title, fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)


def picture(found: list[Point]) -> None:
    """Draws ``pressure.png`` of the docs."""
    shown = [p for p in found if p.share == SHOWN_SHARE and p.width == WIDTH]
    figure = Figure(figsize=(12, 4.5), layout="constrained")
    grid = figure.subplots(1, len(PANELS), sharey=True)
    for axes, (title, chosen) in zip(grid, PANELS, strict=True):
        panel(axes, [p for p in shown if chosen(p)], title)
    figure.supxlabel("draws per row (updates x batch size / rows)", fontsize=10)
    figure.supylabel("gain of generated rows, 95 % interval", fontsize=10)
    handles, labels = max((axes.get_legend_handles_labels() for axes in grid), key=lambda found: len(found[1]))
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False, fontsize=8)
    figure.savefig(DOCS / "img" / "pressure.png", dpi=130)


def markdown(table: list[dict[str, Any]]) -> str:
    """Formats the rank correlations for the docs."""
    names = list(table[0])
    rows = [["" if line[name] is None else str(line[name]) for name in names] for line in table]
    return "\n".join("| " + " | ".join(row) + " |" for row in (names, ["---"] * len(names), *rows)) + "\n"


def main() -> None:
    """Writes the JSON, the table and the picture of the cells of which all seeds are there."""
    found, todo = points(), runs()
    done = sum(run.path.exists() for run in todo)
    if not found:
        raise SystemExit(f"{done} of {len(todo)} runs are done, and no cell is complete.")
    table = correlations(found)
    payload = {"runs": f"{done} of {len(todo)}", "correlations": table, "points": as_dicts(found)}
    (ROOT.parent / "results" / "pressure.json").write_text(json.dumps(payload, indent=1) + "\n")
    (DOCS / "tables" / "pressure.md").write_text(markdown(table))
    picture(found)
    print(markdown(table))
    print(f"{payload['runs']} runs are done, {len(found)} points of complete cells")


if __name__ == "__main__":
    main()
