"""Interquartile means by rliable and differences of paired seeds, both with bootstrap intervals."""

from __future__ import annotations

from typing import Any

import numpy as np
from rliable import library, metrics
from scipy.stats import bootstrap

REPETITIONS = 5_000
ENOUGH_SEEDS = 5  # fewest seeds for a verdict on a difference


def estimate(values: np.ndarray) -> tuple[float, float, float]:
    """Computes the IQM of ``[seeds, tasks]`` and its 95 % stratified bootstrap interval."""
    np.random.seed(0)  # noqa: NPY002 - rliable draws strata from the global stream, whatever random_state is
    points, intervals = library.get_interval_estimates(
        {"x": values},
        lambda x: np.array([metrics.aggregate_iqm(x)]),
        reps=REPETITIONS,
        random_state=np.random.RandomState(0),
    )
    return float(points["x"][0]), float(intervals["x"][0, 0]), float(intervals["x"][1, 0])


def gain(ours: np.ndarray, base: np.ndarray) -> tuple[float, float, float]:
    """Computes the mean over seeds of the paired difference, ours minus baseline, and its 95 % bootstrap interval."""
    difference = ours - base
    if np.ptp(difference) == 0:
        return (float(difference[0]),) * 3
    found = bootstrap((difference,), np.mean, n_resamples=REPETITIONS, method="percentile", random_state=0)
    return float(difference.mean()), *(float(x) for x in found.confidence_interval)


def cell(line: dict[str, Any] | None) -> str:
    """Formats an IQM with its interval; None is a missing run."""
    return "not run" if line is None else f"{line['iqm']:.1f} [{line['low']:.1f}, {line['high']:.1f}]"


def verdict(found: tuple[float, float, float] | None, seeds: int = ENOUGH_SEEDS) -> str:
    """Formats a gain with its interval and, with enough seeds, its verdict in words; None is a missing run."""
    if found is None:
        return "not run"
    mean, low, high = found
    if seeds < ENOUGH_SEEDS:
        return f"{mean:+.1f} [{low:+.1f}, {high:+.1f}] of {seeds} seeds"
    word = "better" if low > 0 else "worse" if high < 0 else "no detectable difference"
    return f"{mean:+.1f} [{low:+.1f}, {high:+.1f}] {word}"
