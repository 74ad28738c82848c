"""Table and picture of the study: interquartile means over seeds with bootstrap intervals by rliable.

``python -m benchmarks.offline_to_online.summary`` reads ``runs/``; a cell is complete when it has all seeds. The score
of a run is the mean of its evaluations after the first refit, because no arm has generated rows before it.
"""

from __future__ import annotations

import json
from itertools import product
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.intervals import cell, estimate, gain, verdict
from benchmarks.offline_to_online.study import (
    ALGORITHMS,
    ARMS,
    ENVIRONMENTS,
    EVERY,
    ONLINE_STEPS,
    QUALITIES,
    REFRESH,
    ROOT,
    SEEDS,
    Run,
    arms_of,
)

DOCS = ROOT.parents[1] / "docs"
LABELS = {
    "none": "both, no generation",
    "online": "SynthER (online)",
    "unconditional": "both, no labels",
    "cfg_online": "CFDG, online half",
    "cfg": "CFDG",
}
NAMES = {"iql": "IQL", "sac": "SAC"}
COLOURS = dict(zip(ARMS, ("#555555", "#E69F00", "#009E73", "#56B4E9", "#D55E00"), strict=True))
OURS = "cfg"


def curves(env_id: str, quality: str, algorithm: str, arm: str) -> np.ndarray | None:
    """Loads the learning curves ``[seeds, evaluations]`` of a cell, or None if a seed is missing."""
    paths = [Run(env_id, quality, algorithm, arm, seed).path for seed in SEEDS]
    if not all(path.exists() for path in paths):
        return None
    return np.array([json.loads(path.read_text())["curve"] for path in paths])


def score_of(curve: np.ndarray) -> np.ndarray:
    """Computes the score of each seed, the mean of its evaluations after the first refit."""
    return curve[:, REFRESH // EVERY + 1 :].mean(1)


def lines() -> list[dict[str, Any]]:
    """Computes one line for each complete cell."""
    found = []
    for env_id, quality, algorithm in product(ENVIRONMENTS, QUALITIES, ALGORITHMS):
        cells = {arm: curves(env_id, quality, algorithm, arm) for arm in ARMS}
        for arm, curve in cells.items():
            if curve is None:
                continue
            score = score_of(curve)
            iqm, low, high = estimate(score[:, None])
            line = {"environment": env_id, "quality": quality, "algorithm": algorithm, "arm": arm}
            line |= {"iqm": iqm, "low": low, "high": high, "curves": curve.round(2).tolist()}
            line["points"] = [estimate(point[:, None]) for point in curve.T]
            if arm == OURS:
                others = {other: held for other, held in cells.items() if other != OURS and held is not None}
                line["gains"] = {other: gain(score, score_of(held)) for other, held in others.items()}
            found.append(line)
    return found


def markdown(found: list[dict[str, Any]]) -> str:
    """Formats the tables of the docs: scores, and differences of paired seeds."""
    index = {(x["environment"], x["quality"], x["algorithm"], x["arm"]): x for x in found}
    scores, differences = [], []
    for env_id, quality, algorithm in product(ENVIRONMENTS, QUALITIES, ALGORITHMS):
        cells = {arm: index.get((env_id, quality, algorithm, arm)) for arm in ARMS}
        name = [env_id, quality, NAMES[algorithm]]
        scores.append([*name, *map(cell, cells.values())])
        gains = (cells[OURS] or {}).get("gains", {})
        differences.append(name + [verdict(gains.get(arm)) for arm in ARMS if arm != OURS])
    first = ["environment", "offline data", "algorithm"]
    minus = [f"CFDG minus {label}" for arm, label in LABELS.items() if arm != OURS]
    return table([*first, *LABELS.values()], scores) + "\n" + table([*first, *minus], differences)


def table(head: list[str], rows: list[list[str]]) -> str:
    """Formats a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def panel(axes: Axes, found: list[dict[str, Any]], task: tuple[str, str, str]) -> None:
    """Draws the curves of one task, one line with its band for each arm."""
    for arm in ARMS:
        mine = [x for x in found if (x["environment"], x["quality"], x["algorithm"], x["arm"]) == (*task, arm)]
        for line in mine:
            iqm, low, high = np.array(line["points"]).T
            steps = EVERY * np.arange(len(iqm))
            axes.plot(steps, iqm, color=COLOURS[arm], label=LABELS[arm], marker="o", ms=3, lw=1.3)
            axes.fill_between(steps, low, high, color=COLOURS[arm], alpha=0.12, lw=0)
    axes.set_title(f"{task[0]} {task[1]}, {NAMES[task[2]]}", fontsize=9)
    axes.set_xticks(range(0, ONLINE_STEPS + 1, ONLINE_STEPS // 2))
    axes.spines[["top", "right"]].set_visible(False)


def picture(found: list[dict[str, Any]]) -> None:
    """Draws ``docs/img/offline_to_online.png``."""
    tasks = list(product(ENVIRONMENTS, QUALITIES))
    figure = Figure(figsize=(11, 5.5), layout="constrained")
    grid = figure.subplots(len(ALGORITHMS), len(tasks), squeeze=False)
    for (i, algorithm), (j, (env_id, quality)) in product(enumerate(ALGORITHMS), enumerate(tasks)):
        panel(grid[i, j], found, (env_id, quality, algorithm))
    figure.supxlabel("environment steps", fontsize=10)
    figure.supylabel("normalised return: IQM of 5 seeds, 95 % interval", fontsize=10)
    named = {label: line for axes in grid.flat for line, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    handles = [named[label] for label in LABELS.values() if label in named]
    labels = [label for label in LABELS.values() if label in named]
    figure.legend(handles, labels, loc="outside upper center", ncols=len(ARMS), frameon=False, fontsize=9)
    figure.savefig(DOCS / "img" / "offline_to_online.png", dpi=130)


def main() -> None:
    """Writes the JSON, the tables and the picture."""
    found = lines()
    total = len(ENVIRONMENTS) * len(QUALITIES) * sum(len(arms_of(name)) for name in ALGORITHMS)
    complete = f"{len(found)} of {total}"
    payload = {"steps": ONLINE_STEPS, "every": EVERY, "complete cells": complete, "cells": found}
    (ROOT.parent / "results" / "offline_to_online.json").write_text(json.dumps(payload, indent=1) + "\n")
    (DOCS / "tables" / "offline_to_online.md").write_text(markdown(found))
    picture(found)
    print(markdown(found))
    print(f"{complete} cells are complete")


if __name__ == "__main__":
    main()
