"""How a batch is divided among its sources: plans, and exact counts. Nothing here holds rows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, Protocol

import numpy as np

from synth_replay.buffers.generated_share import Ratio, ratio_at
from synth_replay.errors import ConfigError
from synth_replay.spaces import Array

# -- plans ----------------------------------------------------------------------------------

PlanName = Literal["concat", "oorb"]


class Plan(Protocol):
    """Divides a batch among its sources, real ones first."""

    def shares(self, generated: float, step: int, rng: np.random.Generator) -> list[float]:
        """Returns the share of each source, given the share of generated rows; they add up to 1."""
        ...

    def store_shares(self, step: int) -> tuple[float, ...]:
        """Returns the share of each store in the rows that a refresh generates; they add up to 1."""
        ...


@dataclass(frozen=True)
class PairPlan:
    """Real rows and generated rows (SynthER)."""

    def shares(self, generated: float, step: int, rng: np.random.Generator) -> list[float]:  # noqa: ARG002
        """Returns the shares of real and generated rows."""
        return [1 - generated, generated]

    def store_shares(self, step: int) -> tuple[float, ...]:  # noqa: ARG002
        """Returns 1: there is one store."""
        return (1.0,)


@dataclass(frozen=True)
class ConcatPlan:
    """Exact numbers of four sources in every batch (CFDG, Section 3.2, "Data Usage").

    Attributes:
        online: Share of online rows among the real ones.
        synthetic_online: Share of online-like rows among the generated ones, in batches and in the stores.

    Raises:
        ConfigError: If a ratio is not in [0, 1] at step 0.
    """

    online: Ratio = 0.5
    synthetic_online: Ratio = 0.8

    def __post_init__(self) -> None:
        ratio_at("online_ratio", self.online, 0)
        ratio_at("synthetic_online_ratio", self.synthetic_online, 0)

    def shares(self, generated: float, step: int, rng: np.random.Generator) -> list[float]:  # noqa: ARG002
        """Returns the shares of online, offline, synthetic online and synthetic offline rows."""
        online, real = ratio_at("online_ratio", self.online, step), 1 - generated
        like_online = ratio_at("synthetic_online_ratio", self.synthetic_online, step)
        return [real * online, real * (1 - online), generated * like_online, generated * (1 - like_online)]

    def store_shares(self, step: int) -> tuple[float, ...]:
        """Returns the shares of the online-like and the offline-like store."""
        online = ratio_at("synthetic_online_ratio", self.synthetic_online, step)
        return online, 1 - online


@dataclass(frozen=True)
class OorbPlan(ConcatPlan):
    """Online rows alone or offline rows alone, real and generated, by the toss of a coin for each batch.

    This is the online-offline replay buffer of APL, as CFDG uses it.

    Attributes:
        online: Probability of an online batch.
        synthetic_online: Share of the online-like store in the rows that a refresh generates.
    """

    def shares(self, generated: float, step: int, rng: np.random.Generator) -> list[float]:
        """Returns the shares of online, offline, synthetic online and synthetic offline rows."""
        online_batch = rng.random() < ratio_at("online_ratio", self.online, step)
        real = 1 - generated
        return [real, 0.0, generated, 0.0] if online_batch else [0.0, real, 0.0, generated]


PLANS: dict[str, type[ConcatPlan]] = {"concat": ConcatPlan, "oorb": OorbPlan}


# -- counts ---------------------------------------------------------------------------------


@lru_cache(maxsize=128)
def apportion(batch_size: int, shares: tuple[float, ...]) -> tuple[int, ...]:
    """Splits a batch by largest remainders: counts add up exactly, each within one row of its share.

    Args:
        batch_size: Rows in the batch.
        shares: Non-negative shares; they are normalised to sum to one. Ties go to the earlier source.

    Returns:
        One count for each share.

    Raises:
        ConfigError: If a share is negative, or all are zero.
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


@dataclass(frozen=True)
class SourceCounts:
    """Exact numbers of rows of each source in a batch.

    Attributes:
        names: Names of the sources, real ones first.
        counts: Rows of each.
        real_sources: Number of the real sources.
    """

    names: tuple[str, ...]
    counts: tuple[int, ...]
    real_sources: int

    def __getitem__(self, name: str) -> int:
        """Returns the rows of a source."""
        return self.counts[self.names.index(name)]

    @property
    def real(self) -> int:
        """Real rows of all real sources."""
        return sum(self.counts[: self.real_sources])

    @property
    def generated(self) -> int:
        """Generated rows of all stores."""
        return sum(self.counts[self.real_sources :])

    def numbers(self, order: Array) -> Array:
        """Returns the source number ``[B]`` int8 of each row of a batch whose parts were joined in the given order."""
        return np.repeat(np.arange(len(self.counts), dtype=np.int8), self.counts)[order]
