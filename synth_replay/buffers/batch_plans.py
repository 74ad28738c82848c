"""What a batch of offline-to-online learning is made of (CFDG, Section 3.2, "Data Usage")."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from synth_replay.buffers.mixing import apportion
from synth_replay.buffers.ratios import Ratio, check_schedule, ratio_at
from synth_replay.errors import ConfigError

ONLINE, OFFLINE, SYNTHETIC_ONLINE, SYNTHETIC_OFFLINE = SOURCE_NUMBERS = range(4)
SOURCES = ("online", "offline", "synthetic_online", "synthetic_offline")
PLANS = ("concat", "oorb")

# Where the rows of an empty source come from instead: real rows of the same kind, then of the other kind
_INSTEAD = ((SYNTHETIC_ONLINE, ONLINE), (SYNTHETIC_OFFLINE, OFFLINE), (ONLINE, OFFLINE), (OFFLINE, ONLINE))

Counts = tuple[int, ...]


@dataclass(frozen=True)
class BatchPlan:
    """Shares of the four sources in a batch; each may be a number or a function of the environment step.

    ``concat`` puts all four into every batch, in exact numbers: with the defaults online, offline and synthetic rows
    are 1 : 1 : 1. ``oorb`` tosses a coin for the whole batch, which is then online rows and synthetic online rows, or
    offline rows and synthetic offline rows (the online-offline replay buffer of APL).

    Attributes:
        name: ``concat`` or ``oorb``.
        synthetic: r, the share of synthetic rows in a batch.
        online: Share of online rows among the real ones (``concat``); probability p of an online batch (``oorb``).
        synthetic_online: Share of online-like rows among the synthetic ones (``concat``).
    """

    name: Literal["concat", "oorb"] = "concat"
    synthetic: Ratio = 1 / 3
    online: Ratio = 0.5
    synthetic_online: Ratio = 0.8

    def __post_init__(self) -> None:
        if self.name not in PLANS:
            raise ConfigError(f"The batch plan is one of {', '.join(PLANS)}; got {self.name!r}.")
        for field in ("synthetic", "online", "synthetic_online"):
            check_schedule(f"{field}_ratio", getattr(self, field))

    def counts(self, batch_size: int, step: int, held: tuple[int, ...], rng: np.random.Generator) -> Counts:
        """Rows of each source, in the order of :data:`SOURCES`; they add up to ``batch_size``.

        An empty source's rows come from real ones of its kind, and from the other kind if there are none: at the
        beginning of fine-tuning a batch is all offline.

        Args:
            batch_size: Rows in all.
            step: Environment steps so far.
            held: Rows that each source has.
            rng: Tosses the coin of ``oorb``.
        """
        shares = self._shares(step, rng)
        for source, instead in _INSTEAD:
            if not held[source]:
                shares[instead] += shares[source]
                shares[source] = 0.0
        return apportion(batch_size, tuple(shares))

    def _shares(self, step: int, rng: np.random.Generator) -> list[float]:
        synthetic = ratio_at("synthetic_ratio", self.synthetic, step)
        online = ratio_at("online_ratio", self.online, step)
        if self.name == "oorb":
            online_batch = rng.random() < online
            real = 1 - synthetic
            return [real, 0.0, synthetic, 0.0] if online_batch else [0.0, real, 0.0, synthetic]
        like_online = ratio_at("synthetic_online_ratio", self.synthetic_online, step)
        real = 1 - synthetic
        parts = (real * online, real * (1 - online), synthetic * like_online, synthetic * (1 - like_online))
        return list(parts)
