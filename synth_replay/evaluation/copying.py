"""Copies: are generated rows closer to the fitted rows than real rows of the same source are?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from synth_replay.evaluation.scores import COPY_PERCENTILE
from synth_replay.spaces import Array

BLOCK = 4_000_000  # distances at once: they stay in the cache


class NearestFitted:
    """Distances to the nearest of *all* fitted rows, in standard deviations per dimension.

    Args:
        fitted: ``[m, D]``.
    """

    def __init__(self, fitted: Array) -> None:
        spread = fitted.std(axis=0)
        self._shift = fitted.mean(axis=0)
        self._scale = np.where(spread > 0, spread, 1.0) * np.sqrt(fitted.shape[1])
        self._rows = self._scaled(fitted)
        self._half_norms, self._transposed = self._rows.square().sum(dim=1) / 2, self._rows.T.contiguous()

    def __call__(self, values: Array, own: Array | None = None) -> Array:
        """Distances of ``values`` ``[n, D]``.

        Args:
            values: Rows in the units of the fitted ones.
            own: ``[n]`` numbers of the fitted rows that ``values`` are, not to be compared with themselves.
        """
        if own is not None and len(self._rows) == 1:
            return np.ones(len(values))  # a single row has no other
        queries = self._scaled(values)
        found = torch.empty(len(queries), dtype=torch.int64)
        chunk = max(1, BLOCK // len(self._rows))
        for start in range(0, len(queries), chunk):
            part = torch.addmm(self._half_norms, queries[start : start + chunk], self._transposed, alpha=-1)
            if own is not None:
                part[torch.arange(len(part)), torch.as_tensor(own[start : start + chunk])] = torch.inf
            found[start : start + chunk] = part.argmin(dim=1)
        # matrix products find the neighbour fast but round its distance: that of a copy must be 0
        distances: Array = torch.linalg.vector_norm(queries - self._rows[found], dim=1).numpy()
        return distances

    def _scaled(self, values: Array) -> torch.Tensor:
        return torch.as_tensor((values - self._shift) / self._scale, dtype=torch.float64)


@dataclass(frozen=True)
class Copying:
    """How near generated rows lie to the fitted ones.

    Attributes:
        distances: ``[n]`` from the first n generated rows to the nearest fitted row.
        baseline: ``[k]`` the same from real rows: held-out ones, or fitted ones to their nearest other row.
        baseline_rows: ``[k]`` which real rows these are.
        limit: The baseline's first percentile.
        share: Share of generated rows nearer than ``limit``; about 0.01 or less means no copying.
    """

    distances: Array
    baseline: Array
    baseline_rows: Array
    limit: float
    share: float


def find_copies(
    nearest: NearestFitted,
    synthetic: Array,
    real: Array,
    *,
    held_out: bool,
    max_rows: int = 2_000,
    seed: int = 0,
) -> Copying:
    """Compares the distances of generated rows with those of real ones.

    Args:
        nearest: Distances to all fitted rows.
        synthetic: ``[n, D]``; the first ``max_rows`` are measured.
        real: ``[k, D]``, rows kept out of the fit, or the fitted rows themselves.
        held_out: Which of the two ``real`` are.
        max_rows: Most generated, and most real, rows to measure.
        seed: Seed of the choice of real rows.
    """
    chosen = np.random.default_rng(seed).choice(len(real), min(max_rows, len(real)), replace=False)
    distances = nearest(synthetic[:max_rows])
    baseline = nearest(real[chosen], None if held_out else chosen)
    limit = float(np.percentile(baseline, COPY_PERCENTILE))
    return Copying(distances, baseline, chosen, limit, float(np.mean(distances < limit)))
