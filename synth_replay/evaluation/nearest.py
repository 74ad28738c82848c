"""Distance to the nearest real row: diversity, and copies."""

from __future__ import annotations

import numpy as np
import torch

from synth_replay.spaces import Array

CHUNK = 1024


def nearest_distances(queries: Array, references: Array, *, skip_self: bool = False) -> Array:
    """Euclidean distance of each query to its nearest reference.

    Args:
        queries: ``[n, D]``.
        references: ``[m, D]``.
        skip_self: The queries are the references: ignore the distance of a row to itself.

    Returns:
        ``[n]`` float64.
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
