"""Detection of copies: generated rows that are closer to the fitted rows than real rows usually are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from synth_replay.evaluation.scores import COPY_PERCENTILE
from synth_replay.spaces import Array

BLOCK = 4_000_000  # distances at once, few enough to stay in the processor's cache


class NearestFitted:
    """Computes distances to the nearest of *all* fitted rows, in standard deviations per dimension.

    Args:
        fitted: Fitted rows ``[m, D]``.
    """

    def __init__(self, fitted: Array) -> None:
        spread = fitted.std(axis=0)
        self._shift = fitted.mean(axis=0)
        self._scale = np.where(spread > 0, spread, 1.0) * np.sqrt(fitted.shape[1])
        self._rows = self._scaled(fitted)
        self._half_norms, self._transposed = self._rows.square().sum(dim=1) / 2, self._rows.T.contiguous()

    def __call__(self, values: Array, own: Array | None = None) -> Array:
        """Computes the distance of each row to its nearest fitted row.

        Args:
            values: Rows ``[n, D]`` in the units of the fitted rows.
            own: Indices ``[n]`` of ``values`` among the fitted rows; each is excluded as its own neighbour. None if
                ``values`` are other rows.

        Returns:
            Distances ``[n]`` float64.
        """
        if own is not None and len(self._rows) == 1:
            return np.ones(len(values))  # a single row has no neighbour
        queries = self._scaled(values)
        found = torch.empty(len(queries), dtype=torch.int64)
        chunk = max(1, BLOCK // len(self._rows))
        for start in range(0, len(queries), chunk):
            part = torch.addmm(self._half_norms, queries[start : start + chunk], self._transposed, alpha=-1)
            if own is not None:
                part[torch.arange(len(part)), torch.as_tensor(own[start : start + chunk])] = torch.inf
            found[start : start + chunk] = part.argmin(dim=1)
        # the matrix product finds the neighbour fast but rounds its distance, which must be exactly 0 for a copy
        distances: Array = torch.linalg.vector_norm(queries - self._rows[found], dim=1).numpy()
        return distances

    def _scaled(self, values: Array) -> torch.Tensor:
        return torch.as_tensor((values - self._shift) / self._scale, dtype=torch.float64)


@dataclass(frozen=True)
class Copies:
    """Distances of generated rows to the fitted rows, and the share of copies that follows.

    Attributes:
        distances: Distances ``[n]`` from the first n generated rows to the nearest fitted row.
        baseline: Distances ``[k]`` of real rows: held-out rows, or fitted rows to their nearest other fitted row.
        baseline_rows: Indices ``[k]`` of these real rows.
        limit: First percentile of ``baseline``.
        share: Share of generated rows closer than ``limit``; about 0.01 or less means no copying.
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
) -> Copies:
    """Compares the distances of generated rows with those of real rows.

    Args:
        nearest: Distances to all fitted rows.
        synthetic: Generated rows ``[n, D]``; the first ``max_rows`` are measured.
        real: Real rows ``[k, D]``, held out or fitted.
        held_out: Whether ``real`` are held-out rows; otherwise they are all fitted rows in the order of the fit.
        max_rows: Most generated rows, and most real rows, to measure.
        seed: Seed of the choice of real rows.
    """
    chosen = np.random.default_rng(seed).choice(len(real), min(max_rows, len(real)), replace=False)
    distances = nearest(synthetic[:max_rows])
    baseline = nearest(real[chosen], None if held_out else chosen)
    limit = float(np.percentile(baseline, COPY_PERCENTILE))
    return Copies(distances, baseline, chosen, limit, float(np.mean(distances < limit)))
