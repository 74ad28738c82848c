"""Which share of a batch is generated: a number, a schedule, or a rule of any other kind."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from synth_replay.buffers.counts import refuse_text, whole_number
from synth_replay.errors import ConfigError

Ratio = float | Callable[[int], float]
"""A share in [0, 1]: a number, or a function of the number of environment steps so far."""


# -- ratios ---------------------------------------------------------------------------------


def check_ratio(name: str, ratio: float) -> float:
    """Returns ``ratio`` as a float if it is in [0, 1].

    Raises:
        ConfigError: Otherwise.
    """
    if isinstance(ratio, str) and ratio and not ratio.strip("0123456789.eE+- "):
        refuse_text(name, ratio)
    known = isinstance(ratio, (int, float, np.floating, np.integer)) and not isinstance(ratio, bool)
    if not known or not 0 <= ratio <= 1:
        raise ConfigError(f"{name} is the share of rows in a batch, in [0, 1], or 'auto'; got {ratio!r}.")
    return float(ratio)


def ratio_at(name: str, ratio: Ratio, step: int) -> float:
    """Returns the share at an environment step.

    Raises:
        ConfigError: If it is not in [0, 1], or a function that cannot be called with the step.
    """
    if not callable(ratio):
        return check_ratio(name, ratio)
    try:
        share = ratio(step)
    except TypeError as error:
        if _takes_one(ratio):
            raise
        raise ConfigError(f"{name} must be a number or a function f(step) of the environment step; {error}.") from error
    return check_ratio(f"{name} at step {step}", share)


def _takes_one(function: Callable[..., object]) -> bool:
    try:
        inspect.signature(function).bind(0)
    except TypeError:
        return False
    except ValueError:  # a built-in function without a signature
        return True
    return True


@dataclass(frozen=True)
class LinearSchedule:
    """A straight line from ``start`` to ``end`` over ``steps`` environment steps, then ``end``.

    Attributes:
        start: Share at step 0.
        end: Share from ``steps`` on.
        steps: Length of the line in environment steps.
    """

    start: float
    end: float
    steps: int

    def __post_init__(self) -> None:
        check_ratio("LinearSchedule.start", self.start)
        check_ratio("LinearSchedule.end", self.end)
        object.__setattr__(self, "steps", whole_number("LinearSchedule.steps", self.steps, "environment steps"))

    def __call__(self, step: int) -> float:
        """Returns the share at an environment step."""
        return self.start + (self.end - self.start) * min(max(step / self.steps, 0.0), 1.0)


# -- the share of generated rows ------------------------------------------------------------


@dataclass(frozen=True)
class Moment:
    """What a rule may look at before a batch.

    Attributes:
        step: Environment steps so far.
        real_rows: Real rows that the host holds now.
        draws_per_row: How often each real row has been drawn, on average.
    """

    step: int
    real_rows: int
    draws_per_row: float = 0.0


class ShareRule(Protocol):
    """Decides which share of the next batch is generated. A new rule is a new class with these two members."""

    @property
    def never(self) -> bool:
        """Whether no batch will ever hold generated rows: then nothing is fitted."""
        ...

    def generated(self, moment: Moment) -> float:
        """Returns the share of generated rows in the next batch, in [0, 1]. While it is 0 nothing is fitted."""
        ...


@runtime_checkable
class AdaptiveRule(ShareRule, Protocol):
    """A rule that finds out when generated rows begin: the first refit comes with its first share above 0."""

    @property
    def floor(self) -> float | None:
        """Smallest fidelity of generated rows that are used, where ``validate`` is not given; None takes all."""
        ...

    def reason(self, moment: Moment) -> str:
        """Returns why this is the share, as a sentence for users."""
        ...


@dataclass(frozen=True)
class RealRatio:
    """The share of real rows is given: r in SynthER's Algorithm 1.

    Attributes:
        ratio: Share of real rows, a number or a schedule.

    Raises:
        ConfigError: If the ratio is not in [0, 1] at step 0.
    """

    ratio: Ratio

    def __post_init__(self) -> None:
        ratio_at("real_ratio", self.ratio, 0)

    @property
    def never(self) -> bool:
        """Whether all rows of all batches are real."""
        return self.ratio == 1

    def generated(self, moment: Moment) -> float:
        """Returns what the real rows leave."""
        return 1 - ratio_at("real_ratio", self.ratio, moment.step)


@dataclass(frozen=True)
class SyntheticRatio:
    """The share of generated rows is given: r in CFDG's Algorithm 1.

    Attributes:
        ratio: Share of generated rows, a number or a schedule.

    Raises:
        ConfigError: If the ratio is not in [0, 1] at step 0.
    """

    ratio: Ratio

    def __post_init__(self) -> None:
        ratio_at("synthetic_ratio", self.ratio, 0)

    @property
    def never(self) -> bool:
        """Whether all rows of all batches are real."""
        return self.ratio == 0

    def generated(self, moment: Moment) -> float:
        """Returns the ratio at the moment's environment step."""
        return ratio_at("synthetic_ratio", self.ratio, moment.step)
