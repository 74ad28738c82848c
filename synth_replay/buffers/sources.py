"""What a batch is made of: SynthER is a mixture of two sources, CFDG one of four, its comparison arms are others."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from synth_replay.buffers.auto_share import AutoRatio, real_share, synthetic_share
from synth_replay.buffers.generated_share import AdaptiveRule, Moment, Ratio, ShareRule, SyntheticRatio
from synth_replay.buffers.mixing import PLANS, ConcatPlan, PairPlan, Plan, PlanName, SourceCounts, apportion
from synth_replay.errors import ConfigError

Generation = Literal["conditional", "unconditional", "online", "none"]

SOURCES = ("online", "offline", "synthetic_online", "synthetic_offline")
"""Sources of a batch of ``CFGMixedBuffer``, in the order of ``last_sources``."""


@dataclass(frozen=True)
class Store:
    """One store of generated rows.

    Attributes:
        name: Key of the store in :attr:`SynthesisEngine.stores <synth_replay.buffers.SynthesisEngine>`.
        like: Names of the real sources whose rows the generated ones resemble; these are fitted.
        label: Label that the generator samples for this store; None samples without one.
    """

    name: str
    like: tuple[str, ...]
    label: str | None = None


@dataclass(frozen=True)
class Mixture:
    """The sources of a batch, the stores of the generated ones, and how many rows each gives.

    Attributes:
        name: What error messages call the mixture.
        sources: Names of the sources: real ones first, then generated ones.
        stores: Stores that a refresh fills.
        drawn_from: Name of the store of each generated source; None for one that is never filled.
        rule: Share of generated rows in a batch.
        plan: Shares of the sources.
        instead: Pairs of source numbers, in order: the rows of the first come from the second while the first is empty.
        snapshots: Whether some rows of each refresh are kept for the report.
    """

    name: str
    sources: tuple[str, ...]
    stores: tuple[Store, ...]
    drawn_from: tuple[str | None, ...]
    rule: ShareRule
    plan: Plan
    instead: tuple[tuple[int, int], ...]
    snapshots: bool = False

    @cached_property
    def adaptive(self) -> AdaptiveRule | None:
        """The rule, if it follows from what happens (``auto``). A check of a protocol is too slow for each batch."""
        return self.rule if isinstance(self.rule, AdaptiveRule) else None

    @property
    def real_sources(self) -> int:
        """Number of the real sources."""
        return len(self.sources) - len(self.drawn_from)

    @property
    def fitted(self) -> frozenset[str]:
        """Names of the real sources that the generator learns from."""
        return frozenset(name for store in self.stores for name in store.like)

    @property
    def labelled(self) -> bool:
        """Whether the generator is fitted with the sources' names as labels."""
        return any(store.label is not None for store in self.stores)

    @property
    def like(self) -> dict[str, tuple[str, ...]]:
        """Names of the real sources whose rows a store's rows resemble, by the store's name."""
        return {store.name: store.like for store in self.stores}

    def store_rows(self, total: int, step: int) -> list[tuple[Store, int]]:
        """Returns the stores that a refresh fills at an environment step, with their numbers of rows."""
        shares = self.plan.store_shares(step) if len(self.stores) > 1 else (1.0,)
        counts = apportion(total, shares)
        return [(store, count) for store, count in zip(self.stores, counts, strict=True) if count]

    def counts(self, batch_size: int, moment: Moment, held: tuple[int, ...], rng: np.random.Generator) -> SourceCounts:
        """Returns the exact numbers of rows of each source in the next batch.

        An empty source's rows come from real ones of its kind, and from the other kind if there are none: at the
        beginning of fine-tuning a batch is all offline.

        Args:
            batch_size: Rows in all.
            moment: What the rule of the share looks at.
            held: Rows that each source has.
            rng: Source of the coin that some plans toss.
        """
        shares = self.plan.shares(self.rule.generated(moment), moment.step, rng)
        for source, instead in self.instead:
            if not held[source]:
                shares[instead] += shares[source]
                shares[source] = 0.0
        return SourceCounts(self.sources, apportion(batch_size, tuple(shares)), self.real_sources)


def two_sources(real_ratio: AutoRatio = 0.5) -> Mixture:
    """Returns SynthER's mixture: the agent's own rows, and rows generated like them.

    Args:
        real_ratio: Share of real rows in a batch, or ``auto``.

    Raises:
        ConfigError: If it is neither.
    """
    store = Store("all", like=("real",))
    return Mixture(
        "real and synthetic",
        ("real", "synthetic"),
        (store,),
        ("all",),
        real_share(real_ratio),
        PairPlan(),
        instead=((1, 0),),
    )


def four_sources(
    plan: PlanName = "concat",
    synthetic_ratio: AutoRatio = 1 / 3,
    online_ratio: Ratio = 0.5,
    synthetic_online_ratio: Ratio = 0.8,
    generation: Generation = "conditional",
) -> Mixture:
    """Returns CFDG's mixture (Algorithm 1), or one of the arms that CFDG is compared with.

    Args:
        plan: ``concat`` has exact numbers of all four sources in each batch; ``oorb`` tosses a coin for each batch.
        synthetic_ratio: Share of synthetic rows in a batch, or ``auto``.
        online_ratio: Share of online rows among the real ones, or the coin's probability of an online batch.
        synthetic_online_ratio: Share of online-like rows among the synthetic ones.
        generation: ``conditional`` (one generator with labels), ``unconditional`` (one without), ``online`` (SynthER on
            online rows alone) or ``none`` (replay of both kinds).

    Raises:
        ConfigError: If a value is none of these, or a ratio is not in [0, 1].
    """
    if plan not in PLANS:
        raise ConfigError(f"The batch plan is one of {', '.join(PLANS)}; got {plan!r}.")
    if generation not in _ARMS:
        raise ConfigError(f"generation is one of {', '.join(_ARMS)}; got {generation!r}.")
    stores, drawn_from = _ARMS[generation]
    rule = synthetic_share(synthetic_ratio)
    shares: ConcatPlan = PLANS[plan](online_ratio, synthetic_online_ratio)
    if generation == "none":
        rule = SyntheticRatio(0.0)
    if generation == "online":
        shares = PLANS[plan](online_ratio, 1.0)
    return Mixture(generation, SOURCES, stores, drawn_from, rule, shares, _REAL_INSTEAD, snapshots=True)


# real rows of the same kind, then of the other kind
_REAL_INSTEAD = ((2, 0), (3, 1), (0, 1), (1, 0))

_BOTH = ("online", "offline")
_ARMS: dict[str, tuple[tuple[Store, ...], tuple[str | None, ...]]] = {
    "conditional": (tuple(Store(kind, (kind,), label=kind) for kind in _BOTH), _BOTH),
    "unconditional": ((Store("both", _BOTH),), ("both", "both")),
    "online": ((Store("online", ("online",)),), ("online", None)),
    "none": ((), (None, None)),
}
