"""Ratios that change while training goes on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from synth_replay.buffers.mixing import check_ratio
from synth_replay.errors import ConfigError

Ratio = float | Callable[[int], float]
"""A share in [0, 1]: a number, or a function of the number of environment steps so far."""


@dataclass(frozen=True)
class LinearSchedule:
    """A straight line from ``start`` to ``end`` over ``steps`` environment steps, then ``end``.

    Attributes:
        start: Share at step 0.
        end: Share from ``steps`` on.
        steps: Environment steps.
    """

    start: float
    end: float
    steps: int

    def __post_init__(self) -> None:
        check_ratio("LinearSchedule.start", self.start)
        check_ratio("LinearSchedule.end", self.end)
        if self.steps < 1:
            raise ConfigError(f"LinearSchedule.steps counts environment steps, at least 1; got {self.steps!r}.")

    def __call__(self, step: int) -> float:
        """The share at an environment step."""
        return self.start + (self.end - self.start) * min(max(step / self.steps, 0.0), 1.0)


def check_schedule(name: str, ratio: Ratio) -> Ratio:
    """Checks a ratio before anything is done with it: a number itself, a function at step 0.

    Raises:
        ConfigError: If it is not in [0, 1].
    """
    ratio_at(name, ratio, 0)
    return ratio


def ratio_at(name: str, ratio: Ratio, step: int) -> float:
    """The share at an environment step.

    Raises:
        ConfigError: If it is not in [0, 1].
    """
    return check_ratio(f"{name} at step {step}", ratio(step)) if callable(ratio) else check_ratio(name, ratio)
