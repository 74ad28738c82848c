"""Returns in training and in unseen environments, and how much of a baseline's gap is closed (arXiv 2508.12356)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from synth_replay.errors import ConfigError
from synth_replay.spaces import Array

RESAMPLES = 5_000
COVERAGE = 95.0  # per cent


def generalization_performance(test: ArrayLike, baseline_train: ArrayLike, baseline_test: ArrayLike) -> float:
    """The share of the baseline's generalization gap that a method closes (Section 4.3.1).

    ``(T_test - B_test) / (B_train - B_test)`` of mean returns: 0 for the baseline itself, 1 if the method does as well
    in unseen environments as the baseline in training, above 1 if better, below 0 if worse than the baseline.

    Args:
        test: The method's test returns, of any shape: their mean is taken.
        baseline_train: The baseline's training returns.
        baseline_test: The baseline's test returns.

    Raises:
        ConfigError: If a return is missing or not finite, or the baseline does no worse in test than in training, so
            that there is no gap to close.
    """
    given = {"test": test, "baseline_train": baseline_train, "baseline_test": baseline_test}
    ours, train, base = (_mean(returns, name) for name, returns in given.items())
    if train <= base:
        raise ConfigError(
            f"The baseline's mean return is {base:.4g} in test and {train:.4g} in training: there is no gap to close. "
            "Compare the test returns themselves, or test where the baseline fails."
        )
    return (ours - base) / (train - base)


def _mean(returns: ArrayLike, name: str) -> float:
    values = np.asarray(returns, np.float64)
    if not values.size or not np.isfinite(values).all():
        raise ConfigError(f"The returns {name} are missing, or hold NaN or infinity: got {values}.")
    return float(values.mean())


@dataclass(frozen=True, eq=False)
class Returns:
    """Mean returns of one method in one environment, a row for each seed.

    Attributes:
        train: ``[seeds]`` in the environment of training (original, training levels).
        test: ``[seeds, levels]`` of the same agents in unseen ones; ``[seeds]`` is taken for one level.

    Raises:
        ConfigError: If shapes do not fit, or a return is missing or not finite.
    """

    train: Array
    test: Array

    def __post_init__(self) -> None:
        train, test = np.asarray(self.train, np.float64), np.asarray(self.test, np.float64)
        test = test[:, None] if test.ndim == 1 else test
        if train.ndim != 1 or test.ndim != 2 or len(train) != len(test) or not test.size:
            raise ConfigError(
                f"Training returns are [seeds] and test returns [seeds, levels] of the same agents; got shapes "
                f"{train.shape} and {test.shape}."
            )
        if not (np.isfinite(train).all() and np.isfinite(test).all()):
            raise ConfigError("Returns hold NaN or infinity: leave out seeds that did not finish.")
        object.__setattr__(self, "train", train)
        object.__setattr__(self, "test", test)


class Estimate(NamedTuple):
    """A figure and its 95 % interval over seeds, NaN where there is none.

    Attributes:
        value: From the mean over all seeds.
        low: Lower end of the interval.
        high: Upper end.
    """

    value: float
    low: float
    high: float

    def text(self, digits: int) -> str:
        """Such as ``70.6 [65.1, 76.2]``; a dash if there is no figure."""
        if not np.isfinite(self.value):
            return "–"  # noqa: RUF001
        interval = f" [{self.low:.{digits}f}, {self.high:.{digits}f}]" if np.isfinite(self.low + self.high) else ""
        return f"{self.value:.{digits}f}{interval}"

    def to_dict(self) -> dict[str, float | None]:
        """In JSON types; None for NaN."""
        return {name: value if np.isfinite(value) else None for name, value in self._asdict().items()}


@dataclass(frozen=True, eq=False)
class Resampled:
    """Mean returns of one method, and what they are when its seeds are drawn again with replacement.

    Attributes:
        train: ``[1 + r]``; the first is of the seeds as they are.
        test: ``[1 + r, levels]``.
    """

    train: Array
    test: Array

    @property
    def test_mean(self) -> Array:
        """``[1 + r]`` over all levels."""
        mean: Array = self.test.mean(axis=1)
        return mean


def resample(returns: Returns, rng: np.random.Generator) -> Resampled:
    """Draws the seeds of a method again and again; with a single seed the draws are NaN."""
    both = np.column_stack([returns.train, returns.test])
    seeds = len(both)
    draws = both[rng.integers(seeds, size=(RESAMPLES, seeds))].mean(axis=1) if seeds > 1 else None
    missing = np.full((RESAMPLES, both.shape[1]), np.nan)
    means = np.concatenate([both.mean(axis=0)[None], missing if draws is None else draws])
    return Resampled(means[:, 0], means[:, 1:])


def estimate(figures: Array) -> Estimate:
    """A figure of resampled returns ``[1 + r]`` with its percentile interval; none if one of them is NaN."""
    tail = (100 - COVERAGE) / 2
    low, high = np.percentile(figures[1:], [tail, 100 - tail])
    return Estimate(float(figures[0]), float(low), float(high))


def gap_figures(method: Resampled, baseline: Resampled) -> dict[str, Array]:
    """Test / Train, Train - Test (Tables 2 and 3) and the closed share of the baseline's gap, each ``[1 + r]``.

    NaN where there is nothing to divide by: no positive training return, or a baseline without a gap.
    """
    gap = baseline.train - baseline.test_mean
    return {
        "Test / Train": method.test_mean / np.where(method.train > 0, method.train, np.nan),
        "Train - Test": method.train - method.test_mean,
        "G_perf": (method.test_mean - baseline.test_mean) / np.where(gap > 0, gap, np.nan),
    }


def average(environments: Mapping[str, Resampled]) -> Resampled:
    """Mean returns over environments, as in the last rows of Table 3."""
    found = list(environments.values())
    return Resampled(np.mean([x.train for x in found], axis=0), np.mean([x.test for x in found], axis=0))
