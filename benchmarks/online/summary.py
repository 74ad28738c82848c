"""Table and pictures of the study: ``python -m benchmarks.online.summary`` reads ``runs/``.

Scores are interquartile means over seeds; differences are of paired seeds; the probability of improvement is rliable's.
"""

from __future__ import annotations

import json
from functools import cache
from itertools import product
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rliable import metrics

from benchmarks.intervals import cell, estimate, gain, verdict
from benchmarks.online.study import ARMS, HIGH, LOW, ROOT, SCORED, SEEDS, STEPS, TASKS, Run

DOCS = ROOT.parents[1] / "docs"
LABELS = {
    "stock": "SAC",
    "ln": "layer norm",
    "synther": "generated rows",
    "ln+synther": "layer norm, generated rows",
    "auto": "auto",
    "ln+auto": "layer norm, auto",
    "droq": "DroQ",
    "droq+synther": "DroQ, generated rows",
    "resets": "resets",
    "resets+synther": "resets, generated rows",
    "pgr": "PGR",
    "ln+pgr": "layer norm, PGR",
    "one_step": "one-step model",
    "ln+one_step": "layer norm, one-step model",
    "noise": "additive noise",
    "ln+noise": "layer norm, additive noise",
}
DRAWN = {"stock": "#555555", "ln": "#0072B2", "synther": "#E69F00", "ln+synther": "#D55E00"}
# each method with generated rows against itself without
ADDED = {
    "synther": "stock",
    "ln+synther": "ln",
    "auto": "stock",
    "ln+auto": "ln",
    "droq+synther": "droq",
    "resets+synther": "resets",
    "pgr": "stock",
    "ln+pgr": "ln",
    "one_step": "stock",
    "ln+one_step": "ln",
    "noise": "stock",
    "ln+noise": "ln",
}


@cache
def results(task: str, ratio: int, arm: str) -> tuple[dict[str, Any], ...] | None:
    """Loads the runs of a cell by seed, or None if one is missing."""
    paths = [Run(task, ratio, arm, seed).path for seed in SEEDS]
    return tuple(json.loads(path.read_text()) for path in paths) if all(path.exists() for path in paths) else None


def curves(task: str, ratio: int, arm: str) -> np.ndarray | None:
    """Loads the learning curves ``[seeds, evaluations]`` of a cell, or None if a seed is missing."""
    found = results(task, ratio, arm)
    return None if found is None else np.array([[point["score"] for point in run["curve"]] for run in found])


def line(task: str, ratio: int, arm: str) -> dict[str, Any] | None:
    """Computes the figures of a cell, or None if a seed is missing."""
    curve, found = curves(task, ratio, arm), results(task, ratio, arm)
    if curve is None or found is None:
        return None
    score, area = curve[:, -SCORED:].mean(axis=1), curve.mean(axis=1)
    iqm, low, high = estimate(score[:, None])
    made = {"task": task, "ratio": ratio, "arm": arm, "iqm": iqm, "low": low, "high": high}
    made |= {"area": estimate(area[:, None]), "curves": curve.round(2).tolist()}
    made |= {"seconds": float(np.mean([run["curve"][-1]["seconds"] for run in found]))}
    made |= {"cpu_seconds": float(np.mean([run["cpu_seconds"] for run in found]))}
    made |= {"critics": {name: _mean(found, name) for name in ("real", "generated")}}
    base = curves(task, ratio, ADDED[arm]) if arm in ADDED else None
    if base is not None:
        before = base[:, -SCORED:].mean(axis=1)
        made |= {"gain": gain(score, before), "area_gain": gain(area, base.mean(axis=1))}
        made |= {"improvement": float(metrics.probability_of_improvement(score[:, None], before[:, None]))}
    return made


def _mean(found: tuple[dict[str, Any], ...], rows: str) -> dict[str, float] | None:
    """Returns the critics' figures on some rows at the last evaluation, as medians over the seeds."""
    held = [run["curve"][-1][rows] for run in found if rows in run["curve"][-1]]
    return {name: float(np.median([each[name] for each in held])) for name in held[0]} if held else None


def markdown(found: list[dict[str, Any]]) -> str:
    """Formats the table of the docs."""
    head = [
        "task",
        "updates a step",
        "arm",
        "score",
        "minus the same without generated rows",
        "probability that it is better",
        "CPU minutes",
    ]
    rows = [head, ["---"] * len(head)]
    for each in found:
        added = verdict(tuple(each["gain"])) if "gain" in each else ""
        chance = f"{each['improvement']:.2f}" if "improvement" in each else ""
        start = [each["task"], str(each["ratio"]), LABELS[each["arm"]], cell(each)]
        rows.append([*start, added, chance, f"{each['cpu_seconds'] / 60:.1f}"])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows) + "\n"


def panel(axes: Axes, task: str, ratio: int, against_time: bool) -> None:
    """Draws the curves of one task, against environment steps or seconds of training."""
    for arm, colour in DRAWN.items():
        curve, found = curves(task, ratio, arm), results(task, ratio, arm)
        if curve is None or found is None:
            continue
        middle, low, high = np.array([estimate(point[:, None]) for point in curve.T]).T
        seconds = np.mean([[point["seconds"] for point in run["curve"]] for run in found], axis=0)
        at = seconds / 60 if against_time else np.linspace(0, STEPS, curve.shape[1] + 1)[1:]
        axes.plot(at, middle, color=colour, label=LABELS[arm], marker="o", ms=3, lw=1.3)
        axes.fill_between(at, low, high, color=colour, alpha=0.12, lw=0)
    axes.set_title(TASKS[task].env_id.removeprefix("dm_control/"), fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)


def picture() -> None:
    """Draws ``online.png`` of the docs."""
    figure = Figure(figsize=(12, 6), layout="constrained")
    grid = figure.subplots(2, len(TASKS), squeeze=False)
    for (row, against_time), (column, task) in product(enumerate((False, True)), enumerate(TASKS)):
        panel(grid[row, column], task, HIGH, against_time)
        grid[row, column].set_xlabel("minutes of training" if against_time else "environment steps", fontsize=9)
    figure.supylabel(f"score at {HIGH} updates a step: IQM of {len(SEEDS)} seeds, 95 % interval", fontsize=10)
    handles, labels = max((axes.get_legend_handles_labels() for axes in grid.flat), key=lambda held: len(held[1]))
    figure.legend(handles, labels, loc="outside upper center", ncols=len(DRAWN), frameon=False, fontsize=9)
    figure.savefig(DOCS / "img" / "online.png", dpi=130)


def main() -> None:
    """Writes the JSON, the table and the picture of the complete cells."""
    cells = [line(task, ratio, arm) for ratio, task, arm in product((HIGH, LOW), TASKS, ARMS)]
    found = [each for each in cells if each is not None]
    if not found:
        raise SystemExit("No cell is complete: python -m benchmarks.online.run makes the runs.")
    (ROOT.parent / "results" / "online.json").write_text(json.dumps({"cells": found}, indent=1) + "\n")
    (DOCS / "tables" / "online.md").write_text(markdown(found))
    picture()
    print(markdown(found))


if __name__ == "__main__":
    main()
