"""``real_ratio="auto"``: generated rows where real ones have been drawn often, and none before."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from synth_replay.buffers.generated_share import Moment, Ratio, RealRatio, ShareRule, SyntheticRatio, check_ratio
from synth_replay.errors import ConfigError


@dataclass(frozen=True)
class AutoShare:
    """The share of generated rows follows from how often each real row has been drawn.

    It is 0 up to ``begin`` draws per row and ``most`` from ``full`` on; in between it grows with the logarithm of the
    draws. Nothing is fitted while it is 0.

    Attributes:
        most: Largest share, in [0, 1].
        begin: Draws per row at which generated rows begin.
        full: Draws per row at which the share is largest.
        floor: Smallest fidelity of generated rows that are used, as for ``validate``; measured on the fitted rows.
        name: Name of the option that it is given to, for messages.

    Raises:
        ConfigError: If ``most`` is not in [0, 1], or ``begin`` and ``full`` are not positive and increasing.
    """

    most: float = 0.5
    begin: float = 400.0
    full: float = 1_600.0
    floor: float | None = 0.9
    name: str = "real_ratio"

    never = False

    def __post_init__(self) -> None:
        check_ratio("AutoShare.most", self.most)
        if not 0 < self.begin < self.full:
            raise ConfigError(f"AutoShare needs 0 < begin < full; got begin={self.begin!r}, full={self.full!r}.")

    def generated(self, moment: Moment) -> float:
        """Returns the share for the moment's draws per row."""
        if moment.draws_per_row <= self.begin:
            return 0.0
        grown = math.log(moment.draws_per_row / self.begin) / math.log(self.full / self.begin)
        return self.most * min(grown, 1.0)

    def reason(self, moment: Moment) -> str:
        """Returns why this share: a sentence."""
        draws, share = f"{moment.draws_per_row:,.0f} draws per row", self.generated(moment)
        if not share:
            return f"No generated rows yet: {draws}, they begin at {self.begin:,.0f} ({self.name}='auto')."
        return f"{share:.0%} of each batch is generated: {draws}, {self.most:.0%} from {self.full:,.0f} on."


AutoRatio = Ratio | Literal["auto"] | AutoShare
"""A share in [0, 1], a function of the number of environment steps so far, or the rule ``auto``."""


def real_share(ratio: AutoRatio) -> ShareRule:
    """Returns the rule of ``real_ratio``.

    Raises:
        ConfigError: If the ratio is neither ``auto``, nor a schedule, nor in [0, 1].
    """
    if isinstance(ratio, str) and ratio == "auto":
        return AutoShare()
    return ratio if isinstance(ratio, AutoShare) else RealRatio(ratio)


def synthetic_share(ratio: AutoRatio) -> ShareRule:
    """Returns the rule of ``synthetic_ratio``.

    Raises:
        ConfigError: If the ratio is neither ``auto``, nor a schedule, nor in [0, 1].
    """
    if isinstance(ratio, str) and ratio == "auto":
        return AutoShare(most=1 / 3, name="synthetic_ratio")
    return ratio if isinstance(ratio, AutoShare) else SyntheticRatio(ratio)


def advice(draws_per_row: float) -> str:
    """Returns what ``auto`` would do in a training that ends with so many draws per row, as a sentence."""
    rule, draws = AutoShare(), f"{draws_per_row:,.0f} draws per row"
    share = rule.generated(Moment(0, 0, draws_per_row))
    if not share:
        return f"{draws}: generated rows are not expected to pay, which takes more than {rule.begin:,.0f}."
    return f"{draws}: generated rows can pay. real_ratio='auto' would generate up to {share:.0%} of each batch."
