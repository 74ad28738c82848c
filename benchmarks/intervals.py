"""Interquartile means by rliable, and differences of paired seeds, with bootstrap intervals."""

from __future__ import annotations

import numpy as np
from rliable import library, metrics
from scipy.stats import bootstrap

REPETITIONS = 5_000


def estimate(values: np.ndarray) -> tuple[float, float, float]:
    """IQM of ``[seeds, tasks]`` and its 95 % stratified bootstrap interval."""
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
