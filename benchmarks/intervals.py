"""Interquartile means by rliable, and differences of paired seeds, with bootstrap intervals."""

from __future__ import annotations

from typing import Any

import numpy as np
from rliable import library, metrics
from scipy.stats import bootstrap

REPETITIONS = 5_000
ENOUGH_SEEDS = 5  # for a word on a difference


def estimate(values: np.ndarray) -> tuple[float, float, float]:
    """IQM of ``[seeds, tasks]`` and its 95 % stratified bootstrap interval."""
    np.random.seed(0)  # noqa: NPY002 - rliable draws strata from the global stream, whatever state it is given
    points, intervals = library.get_interval_estimates(
        {"x": values},
        lambda x: np.array([metrics.aggregate_iqm(x)]),
        reps=REPETITIONS,
        random_state=np.random.RandomState(0),
    )
    return float(points["x"][0]), float(intervals["x"][0, 0]), float(intervals["x"][1, 0])


def gain(ours: np.ndarray, base: np.ndarray) -> tuple[float, float, float]:
    """Mean over seeds of the difference on the same data, and its 95 % bootstrap interval."""
    difference = ours - base
    if np.ptp(difference) == 0:
        return (float(difference[0]),) * 3
    found = bootstrap((difference,), np.mean, n_resamples=REPETITIONS, method="percentile", random_state=0)
    return float(difference.mean()), *(float(x) for x in found.confidence_interval)


def cell(line: dict[str, Any] | None) -> str:
    """A number with its interval."""
    return "not run" if line is None else f"{line['iqm']:.1f} [{line['low']:.1f}, {line['high']:.1f}]"


def verdict(found: tuple[float, float, float] | None, seeds: int = ENOUGH_SEEDS) -> str:
    """What the interval of a gain says, in words; of few seeds it says nothing."""
    if found is None:
        return "not run"
    mean, low, high = found
    if seeds < ENOUGH_SEEDS:
        return f"{mean:+.1f} [{low:+.1f}, {high:+.1f}] of {seeds} seeds"
    said = "better" if low > 0 else "worse" if high < 0 else "cannot be told"
    return f"{mean:+.1f} [{low:+.1f}, {high:+.1f}] {said}"
