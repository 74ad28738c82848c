"""The points of the study: a gain of generated rows at a number of updates, and what could have predicted it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from benchmarks.intervals import gain
from benchmarks.pressure.study import BATCH, SEEDS, Run, runs

PREDICTORS = ("draws per row", "updates", "rows", "overfitting", "fidelity", "layer norm", "width")


@dataclass(frozen=True)
class Point:
    """The gain of one share over none, at one number of updates of one cell.

    Attributes:
        env_id: Gymnasium id of the environment.
        rows: Real rows.
        algorithm: ``td3bc`` or ``iql``.
        layer_norm: Whether the critics have layer norm.
        width: Units of the hidden layers.
        share: Share of generated rows.
        updates: Gradient steps.
        draws: Draws per row, updates times batch size over rows.
        gain: Mean paired difference over seeds, in points of D4RL's scale.
        low: Lower end of its 95 % interval.
        high: Upper end of its 95 % interval.
        stock: Mean score without generated rows.
        seeds: Number of paired seeds.
        overfitting: (held-out TD error - training TD error) / held-out TD error without generated rows, mean.
        fidelity: Marginal of the generated rows on held-out rows over that of the real rows, mean.
    """

    env_id: str
    rows: int
    algorithm: str
    layer_norm: bool
    width: int
    share: float
    updates: int
    draws: float
    gain: float
    low: float
    high: float
    stock: float
    seeds: int
    overfitting: float
    fidelity: float

    def predictor(self, name: str) -> float:
        """Returns the value of one of :data:`PREDICTORS`."""
        return float(
            {
                "draws per row": self.draws,
                "updates": self.updates,
                "rows": self.rows,
                "overfitting": self.overfitting,
                "fidelity": self.fidelity,
                "layer norm": self.layer_norm,
                "width": self.width,
            }[name]
        )


def _load(run: Run) -> dict[str, Any] | None:
    return json.loads(run.path.read_text()) if run.path.exists() else None


def _overfitting(point: dict[str, float]) -> float:
    return (point["td_held_out"] - point["td_train"]) / point["td_held_out"]


def _points(pairs: list[tuple[dict[str, Any], dict[str, Any]]]) -> list[Point]:
    """Computes the points of a cell from the runs without and with generated rows, by seed."""
    found = []
    for number, first in enumerate(pairs[0][0]["curve"]):
        stock = np.array([base["curve"][number]["score"] for base, _ in pairs])
        ours = np.array([run["curve"][number]["score"] for _, run in pairs])
        mean, low, high = gain(ours, stock)
        run = pairs[0][1]
        held = {name: run[name] for name in ("env_id", "rows", "algorithm", "layer_norm", "width", "share")}
        predictors = {
            "overfitting": float(np.mean([_overfitting(base["curve"][number]) for base, _ in pairs])),
            "fidelity": float(np.mean([run["fidelity"] for _, run in pairs])),
        }
        counts = {"updates": first["updates"], "draws": first["updates"] * BATCH / run["rows"], "seeds": len(pairs)}
        found.append(Point(**held, **counts, **predictors, gain=mean, low=low, high=high, stock=float(stock.mean())))
    return found


def points(fewest_seeds: int = len(SEEDS)) -> list[Point]:
    """Computes all points of the cells with at least so many paired seeds."""
    results = {run: found for run in runs() if (found := _load(run)) is not None}
    cells: dict[tuple[Any, ...], list[tuple[dict[str, Any], dict[str, Any]]]] = {}
    stock = {(run.cell, run.seed): found for run, found in results.items() if not run.share}
    for run, found in results.items():
        base = stock.get((run.cell, run.seed))
        if run.share and base is not None and base.get("data") == found.get("data"):
            cells.setdefault((run.cell, run.share), []).append((base, found))
    return [point for pairs in cells.values() if len(pairs) >= fewest_seeds for point in _points(pairs)]


def correlations(found: list[Point]) -> list[dict[str, Any]]:
    """Computes Spearman's rank correlation of each predictor with the gain, over all points and by environment."""
    table = []
    for name in PREDICTORS:
        line: dict[str, Any] = {"predictor": name, "all": _rank(found, name)}
        for env_id in sorted({point.env_id for point in found}):
            line[env_id] = _rank([point for point in found if point.env_id == env_id], name)
        table.append(line)
    return table


def _rank(found: list[Point], name: str) -> float | None:
    values, gains = [point.predictor(name) for point in found], [point.gain for point in found]
    if len(set(values)) < 2 or len(set(gains)) < 2:
        return None
    return round(float(spearmanr(values, gains).statistic), 3)


def as_dicts(found: list[Point]) -> list[dict[str, Any]]:
    """Returns the points as JSON values."""
    return [{k: round(v, 3) if isinstance(v, float) else v for k, v in asdict(point).items()} for point in found]
