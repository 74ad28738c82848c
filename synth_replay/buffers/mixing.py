"""How many rows of a batch each source gives. Pure functions."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from synth_replay.errors import ConfigError


def check_ratio(name: str, ratio: float) -> float:
    """Returns ``ratio`` as a float if it is in [0, 1].

    Raises:
        ConfigError: Otherwise.
    """
    known = isinstance(ratio, (int, float, np.floating, np.integer)) and not isinstance(ratio, bool)
    if not known or not 0 <= ratio <= 1:
        raise ConfigError(f"{name} is the share of rows in a batch, in [0, 1]; got {ratio!r}.")
    return float(ratio)


@lru_cache(maxsize=128)
def apportion(batch_size: int, shares: tuple[float, ...]) -> tuple[int, ...]:
    """Splits a batch by largest remainders: counts add up exactly, each within one row of its share.

    Args:
        batch_size: Rows in the batch.
        shares: Non-negative shares; they are normalised to sum to one. Ties go to the earlier source.

    Returns:
        One count for each share.
    """
    total = math.fsum(shares)
    if total <= 0 or min(shares) < 0:
        raise ConfigError(f"Shares must be non-negative and not all zero; got {list(shares)}.")
    exact = [batch_size * share / total for share in shares]
    counts = [math.floor(value + 1e-9) for value in exact]
    by_remainder = sorted(range(len(shares)), key=lambda i: (round(counts[i] - exact[i], 9), i))
    for i in by_remainder[: batch_size - sum(counts)]:
        counts[i] += 1
    return tuple(counts)
