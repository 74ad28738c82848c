"""What five seeds can see: ``python -m benchmarks.pressure.pilot`` takes the offline study as a pilot.

The spread of its paired differences gives the smallest gain that a paired t test with so many seeds finds four times in
five (Cohen 1988, chapter 2; the noncentral t distribution of scipy).
"""

from __future__ import annotations

from itertools import product

import numpy as np
from scipy.optimize import brentq
from scipy.stats import nct, t

from benchmarks.offline.study import ALGORITHMS, ENVIRONMENTS, LEVELS
from benchmarks.offline.summary import scores
from benchmarks.pressure.study import SEEDS
from benchmarks.shared import report

ALPHA, POWER = 0.05, 0.8


def detectable(spread: float, pairs: int) -> float:
    """Computes the smallest mean difference that a two-sided paired t test finds with the power of :data:`POWER`.

    Args:
        spread: Standard deviation of the paired differences.
        pairs: Number of pairs.
    """
    critical = t.ppf(1 - ALPHA / 2, pairs - 1)

    def lack(effect: float) -> float:
        return float(1 - nct.cdf(critical, pairs - 1, effect * np.sqrt(pairs) / spread) - POWER)

    return float(brentq(lack, 1e-6, 50 * spread))


def main() -> None:
    """Writes the table of all cells of the pilot."""
    rows = []
    for level, env_id, algorithm in product(LEVELS, ENVIRONMENTS, ALGORITHMS):
        difference = scores(env_id, level, "default", algorithm) - scores(env_id, level, "real", algorithm)
        spread = float(difference.std(ddof=1))
        line = {"rows": level, "environment": env_id, "algorithm": algorithm, "mean gain": round(difference.mean(), 1)}
        rows.append(line | {"spread": round(spread, 1), "detectable": round(detectable(spread, len(SEEDS)), 1)})
    report("pressure_pilot", rows, seeds=len(SEEDS), power=POWER, alpha=ALPHA)


if __name__ == "__main__":
    main()
