"""Tables and picture of the study: interquartile means over seeds with bootstrap intervals by rliable.

``python -m benchmarks.offline.summary`` reads ``runs/`` and counts the complete cells.
"""

from __future__ import annotations

import json
from itertools import product
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.intervals import cell, estimate, gain, verdict
from benchmarks.offline.study import (
    ALGORITHMS,
    ARMS,
    ENVIRONMENTS,
    LARGER_ENV,
    LARGER_LAYERS,
    LARGER_ROWS,
    LAYERS,
    LEVELS,
    ROOT,
    SEEDS,
    STEPS,
    Run,
)

DOCS = ROOT.parent.parent / "docs"
LABELS = {"real": "real only", "additive_noise": "additive noise", "synther": "SynthER", "default": "default"}
NAMES = {"td3bc": "TD3+BC", "iql": "IQL"}
COLOURS = {"real": "#555555", "additive_noise": "#E69F00", "synther": "#0072B2", "default": "#D55E00"}


def scores(env_id: str, rows: int, arm: str, algorithm: str, larger: bool = False) -> np.ndarray:
    """Loads the scores ``[seeds]`` of a cell; NaN for missing runs."""
    paths = [Run(env_id, rows, arm, algorithm, seed, larger).path for seed in SEEDS]
    return np.array([json.loads(p.read_text())["score"] if p.exists() else np.nan for p in paths])


def lines() -> list[dict[str, Any]]:
    """Computes one line for each complete cell."""
    found = []
    for rows, env_id, algorithm in product(LEVELS, ENVIRONMENTS, ALGORITHMS):
        values = {arm: scores(env_id, rows, arm, algorithm) for arm in ARMS}
        for arm, seeds in values.items():
            if np.isnan(seeds).any():
                continue
            iqm, low, high = estimate(seeds[:, None])
            line = {"rows": rows, "environment": env_id, "algorithm": algorithm, "arm": arm}
            line |= {"iqm": iqm, "low": low, "high": high, "seeds": seeds.tolist()}
            if arm != "real" and not np.isnan(values["real"]).any():
                line["gain over real"] = gain(seeds, values["real"])
            found.append(line)
    return found


def over_environments(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Computes the IQM over seeds and environments for each complete level, algorithm and arm."""
    table = []
    for rows, algorithm, arm in product(LEVELS, ALGORITHMS, ARMS):
        cells = [x["seeds"] for x in found if (x["rows"], x["algorithm"], x["arm"]) == (rows, algorithm, arm)]
        if len(cells) == len(ENVIRONMENTS):
            iqm, low, high = estimate(np.array(cells).T)
            table.append({"rows": rows, "algorithm": algorithm, "arm": arm, "iqm": iqm, "low": low, "high": high})
    return table


def sizes() -> list[dict[str, Any]]:
    """Computes the scores of TD3+BC with two sizes of network, without and with generated rows (SynthER, Table 3)."""
    found = []
    for larger, arm in product((False, True), ("real", "default")):
        seeds = scores(LARGER_ENV, LARGER_ROWS, arm, "td3bc", larger)
        if not np.isnan(seeds).any():
            iqm, low, high = estimate(seeds[:, None])
            layers = LARGER_LAYERS if larger else LAYERS
            line = {"layers": list(layers), "arm": arm, "iqm": iqm, "low": low, "high": high, "seeds": seeds.tolist()}
            found.append(line)
    return found


def sizes_markdown(found: list[dict[str, Any]]) -> str:
    """Formats the table of network sizes for the docs."""
    index = {(tuple(x["layers"]), x["arm"]): x for x in found}
    out = ["| layers | real only | default |", "|---|---|---|"]
    for layers in (LAYERS, LARGER_LAYERS):
        cells = [cell(index.get((layers, arm))) for arm in ("real", "default")]
        out.append(f"| {len(layers)} x {layers[0]} | " + " | ".join(cells) + " |")
    return "\n".join(out) + "\n"


def markdown(found: list[dict[str, Any]]) -> str:
    """Formats the table of scores for the docs."""
    index = {(x["rows"], x["environment"], x["algorithm"], x["arm"]): x for x in found}
    head = ["rows", "environment", "algorithm", *(LABELS[arm] for arm in ARMS), "default minus real only"]
    out = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for rows, env_id, algorithm in product(LEVELS, ENVIRONMENTS, ALGORITHMS):
        cells = [index.get((rows, env_id, algorithm, arm)) for arm in ARMS]
        if any(cells):
            texts = [
                f"{rows:,}",
                env_id,
                NAMES[algorithm],
                *map(cell, cells),
                verdict((cells[-1] or {}).get("gain over real")),
            ]
            out.append("| " + " | ".join(texts) + " |")
    return "\n".join(out) + "\n"


def panel(axes: Axes, found: list[dict[str, Any]], env_id: str, algorithm: str) -> None:
    """Draws the IQM over levels, one line for each arm."""
    for offset, arm in enumerate(ARMS):
        mine = [x for x in found if (x["environment"], x["algorithm"], x["arm"]) == (env_id, algorithm, arm)]
        if mine:
            at = np.array([x["rows"] for x in mine]) * (1 + 0.06 * (offset - 1.5))
            iqm = np.array([x["iqm"] for x in mine])
            error = [iqm - [x["low"] for x in mine], [x["high"] for x in mine] - iqm]
            axes.errorbar(at, iqm, error, color=COLOURS[arm], label=LABELS[arm], marker="o", ms=4, capsize=2, lw=1.2)
    axes.set_xscale("log")
    axes.set_xlim(LEVELS[0] / 1.4, LEVELS[-1] * 1.4)
    axes.set_xticks(LEVELS, [f"{level:,}" for level in LEVELS])
    axes.minorticks_off()
    axes.set_title(f"{env_id}, {NAMES[algorithm]}", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)


def picture(found: list[dict[str, Any]]) -> None:
    """Draws ``docs/img/offline.png``."""
    figure = Figure(figsize=(10, 6), layout="constrained")
    grid = figure.subplots(len(ALGORITHMS), len(ENVIRONMENTS), squeeze=False)
    for (i, algorithm), (j, env_id) in product(enumerate(ALGORITHMS), enumerate(ENVIRONMENTS)):
        panel(grid[i, j], found, env_id, algorithm)
    figure.supxlabel("real transitions in the dataset", fontsize=10)
    figure.supylabel("normalised return: IQM of 5 seeds, 95 % interval", fontsize=10)
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(ARMS), frameon=False, fontsize=10)
    figure.savefig(DOCS / "img" / "offline.png", dpi=130)


def main() -> None:
    """Writes the JSON, the tables and the picture."""
    found = lines()
    total = len(LEVELS) * len(ENVIRONMENTS) * len(ALGORITHMS) * len(ARMS)
    payload = {"steps": STEPS, "complete cells": f"{len(found)} of {total}", "cells": found}
    payload["over environments"] = over_environments(found)
    payload["sizes"] = sizes()
    (ROOT.parent / "results" / "offline.json").write_text(json.dumps(payload, indent=1) + "\n")
    (DOCS / "tables" / "offline.md").write_text(markdown(found))
    (DOCS / "tables" / "offline_sizes.md").write_text(sizes_markdown(payload["sizes"]))
    picture(found)
    print(markdown(found))
    print(sizes_markdown(payload["sizes"]))
    for line in payload["over environments"]:
        print(f"{line['rows']:>6} {line['algorithm']:<6} {line['arm']:<15} {cell(line)}")
    print(f"{payload['complete cells']} cells are complete")


if __name__ == "__main__":
    main()
