"""Table and picture of the test of ``auto``: ``python -m benchmarks.auto.summary`` reads ``runs/``."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from benchmarks.auto.study import ARMS, AUTO, BATCH, CELLS, FIXED, OFFLINE_ROWS, ROOT, SCORED, SEEDS, STOCK, Cell, Run
from benchmarks.intervals import gain, verdict

DOCS = ROOT.parent.parent / "docs"
COLOURS = {AUTO: "#D55E00", "0.25": "#56B4E9", "0.5": "#0072B2", "0.75": "#004D80"}
Results = dict[str, list[dict[str, Any]]]


def results(cell: Cell) -> Results | None:
    """Loads the runs of a cell by arm, in the order of the seeds; None if one is missing."""
    paths = {arm: [Run(cell, arm, seed).path for seed in SEEDS] for arm in ARMS}
    if not all(path.exists() for held in paths.values() for path in held):
        return None
    return {arm: [json.loads(path.read_text()) for path in held] for arm, held in paths.items()}


def scores(runs: list[dict[str, Any]]) -> np.ndarray:
    """Computes the score of each run."""
    return np.array([np.mean(run["curve"][-SCORED:]) for run in runs])


def planned_draws(cell: Cell) -> float:
    """Computes the draws per row at the end of a training without generated rows."""
    if cell.kind == "offline":
        return cell.updates * BATCH / cell.rows
    held = cell.rows + (OFFLINE_ROWS if cell.kind == "mixed" else 0)
    return cell.updates * cell.rows * BATCH / held


def line(cell: Cell, found: Results) -> dict[str, Any]:
    """Computes the line of a cell; the best fixed share in hindsight can be none."""
    stock = scores(found[STOCK])
    gains = {arm: gain(scores(found[arm]), stock) for arm in ARMS if arm != STOCK}
    best = max((*FIXED, STOCK), key=lambda arm: gains[arm][0] if arm != STOCK else 0.0)
    seconds = {arm: float(np.sum([run["seconds"] for run in runs])) for arm, runs in found.items()}
    return {
        "cell": cell.name,
        "draws": planned_draws(cell),
        "stock": float(stock.mean()),
        "gains": gains,
        "best": best,
        "best_gain": 0.0 if best == STOCK else gains[best][0],
        "same_weights": all(a["weights"] == b["weights"] for a, b in zip(found[AUTO], found[STOCK], strict=True)),
        "refreshes": [run["stats"]["refreshes"] for run in found[AUTO]],
        "time": {arm: held / seconds[STOCK] for arm, held in seconds.items()},
    }


def markdown(lines: list[dict[str, Any]]) -> str:
    """Formats the table of the docs."""
    head = ["cell", "draws per row", "stock", "auto - stock", "0.5 - stock", "best fixed share", "weights of auto"]
    rows = [head, ["---"] * len(head)]
    for found in lines:
        best = "none" if found["best"] == STOCK else f"{found['best']} ({found['best_gain']:+.1f})"
        weights = "stock's, bit for bit" if found["same_weights"] else "its own"
        row = [found["cell"], f"{found['draws']:,.0f}", f"{found['stock']:.1f}", verdict(found["gains"][AUTO])]
        rows.append([*row, verdict(found["gains"]["0.5"]), best, weights])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows) + "\n"


def picture(lines: list[dict[str, Any]]) -> None:
    """Draws the gain of each arm in each cell, with intervals."""
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    axes = figure.subplots()
    axes.axhline(0, color="#888888", lw=0.8)
    for number, (arm, colour) in enumerate(COLOURS.items()):
        held = np.array([found["gains"][arm] for found in lines])
        error = [held[:, 0] - held[:, 1], held[:, 2] - held[:, 0]]
        at = np.arange(len(lines)) + 0.16 * (number - 1.5)
        axes.errorbar(at, held[:, 0], error, fmt="o", color=colour, capsize=3, label=arm)
    labels = [f"{found['cell']}\n{found['draws']:,.0f} draws" for found in lines]
    axes.set_xticks(range(len(lines)), labels, fontsize=8)
    axes.set_ylabel("gain over the host's own buffer, 95 % interval")
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside upper center", ncols=len(COLOURS), frameon=False)
    figure.savefig(DOCS / "img" / "auto.png", dpi=130)


def main() -> None:
    """Writes the JSON, the table and the picture of the complete cells."""
    lines = [line(cell, found) for cell in CELLS if (found := results(cell)) is not None]
    if not lines:
        raise SystemExit("No cell is complete: python -m benchmarks.auto.run makes the runs.")
    ours = float(np.mean([found["gains"][AUTO][0] for found in lines]))
    best = float(np.mean([found["best_gain"] for found in lines]))
    whole = {"auto": ours, "best fixed": best, "share": ours / best if best else None}
    payload = {"complete cells": f"{len(lines)} of {len(CELLS)}", "mean gain": whole, "cells": lines}
    (ROOT.parent / "results" / "auto.json").write_text(json.dumps(payload, indent=1) + "\n")
    (DOCS / "tables" / "auto.md").write_text(markdown(lines))
    picture(lines)
    print(markdown(lines))
    print(f"{payload['complete cells']} cells are complete; mean gain of auto {ours:.1f}, of the best share {best:.1f}")


if __name__ == "__main__":
    main()
