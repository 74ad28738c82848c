"""Distances to the nearest real row, which measure diversity and reveal copies."""

from __future__ import annotations

import numpy as np
import torch

from synth_replay.spaces import Array

CHUNK = 1024


def nearest_distances(queries: Array, references: Array, *, skip_self: bool = False) -> Array:
    """Computes the Euclidean distance of each query to its nearest reference.

    Args:
        queries: Rows ``[n, D]``.
        references: Rows ``[m, D]``.
        skip_self: Whether the queries are the references themselves, so that no row is its own neighbour.

    Returns:
        Distances ``[n]`` float64.
    """
    a, b = torch.as_tensor(queries, dtype=torch.float64), torch.as_tensor(references, dtype=torch.float64)
    out = torch.empty(len(a), dtype=torch.float64)
    for start in range(0, len(a), CHUNK):
        part = torch.cdist(a[start : start + CHUNK], b, compute_mode="donot_use_mm_for_euclid_dist")
        if skip_self:
            rows = torch.arange(len(part))
            part[rows, rows + start] = torch.inf
        out[start : start + CHUNK] = part.min(dim=1).values
    distances: Array = out.numpy()
    return np.asarray(distances)
