"""Returns in training and unseen environments, and the closed share of a baseline's gap (arXiv 2508.12356)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from synth_replay.errors import ConfigError
from synth_replay.spaces import Array

RESAMPLES = 5_000
COVERAGE = 95.0  # of the intervals, in per cent


def generalization_performance(test: ArrayLike, baseline_train: ArrayLike, baseline_test: ArrayLike) -> float:
    """Computes the share of the baseline's generalization gap that a method closes (Section 4.3.1).

    The share is ``(T_test - B_test) / (B_train - B_test)`` of mean returns: 0 for the baseline itself, 1 if the method
    scores in unseen environments what the baseline scores in training, above 1 if more, below 0 if less than the
    baseline in unseen environments.

    Args:
        test: Test returns of the method, of any shape.
        baseline_train: Training returns of the baseline, of any shape.
        baseline_test: Test returns of the baseline, of any shape.

    Raises:
        ConfigError: If a return is missing or not finite, or the baseline's test returns are not below its training
            returns, so that there is no gap to close.
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
        raise ConfigError(
            f"The returns {name} are missing, or hold NaN or infinity: got {values}. Leave out unfinished seeds."
        )
    return float(values.mean())


@dataclass(frozen=True, eq=False)
class Returns:
    """Mean returns of one method in one environment, one row for each seed.

    Attributes:
        train: Returns ``[seeds]`` in the training environment (original frames, training levels).
        test: Returns ``[seeds, levels]`` of the same agents in unseen environments; ``[seeds]`` stands for one level.

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
    """A score and its 95 % interval over seeds; NaN where they are not defined.

    Attributes:
        value: Score of the mean returns over all seeds.
        low: Lower end of the interval.
        high: Upper end of the interval.
    """

    value: float
    low: float
    high: float

    def text(self, digits: int) -> str:
        """Formats the estimate, such as ``70.6 [65.1, 76.2]``; a dash if there is no value."""
        if not np.isfinite(self.value):
            return "–"  # noqa: RUF001
        interval = f" [{self.low:.{digits}f}, {self.high:.{digits}f}]" if np.isfinite(self.low + self.high) else ""
        return f"{self.value:.{digits}f}{interval}"

    def to_dict(self) -> dict[str, float | None]:
        """Returns the estimate in JSON types; NaN becomes None."""
        return {name: value if np.isfinite(value) else None for name, value in self._asdict().items()}


@dataclass(frozen=True, eq=False)
class Resampled:
    """Mean returns of one method over its seeds and over r bootstrap samples of them.

    Attributes:
        train: Training returns ``[1 + r]``; the first is the mean over the seeds themselves.
        test: Test returns ``[1 + r, levels]``.
    """

    train: Array
    test: Array

    @property
    def test_mean(self) -> Array:
        """Test returns ``[1 + r]``, averaged over levels."""
        mean: Array = self.test.mean(axis=1)
        return mean


def resample(returns: Returns, rng: np.random.Generator) -> Resampled:
    """Draws bootstrap samples of a method's seeds; with a single seed the samples are NaN."""
    both = np.column_stack([returns.train, returns.test])
    seeds = len(both)
    draws = both[rng.integers(seeds, size=(RESAMPLES, seeds))].mean(axis=1) if seeds > 1 else None
    missing = np.full((RESAMPLES, both.shape[1]), np.nan)
    means = np.concatenate([both.mean(axis=0)[None], missing if draws is None else draws])
    return Resampled(means[:, 0], means[:, 1:])


def estimate(figures: Array) -> Estimate:
    """Returns a score of resampled returns ``[1 + r]`` with its percentile interval, NaN if one of them is NaN."""
    tail = (100 - COVERAGE) / 2
    low, high = np.percentile(figures[1:], [tail, 100 - tail])
    return Estimate(float(figures[0]), float(low), float(high))


def gap_scores(method: Resampled, baseline: Resampled) -> dict[str, Array]:
    """Computes Test / Train, Train - Test (Tables 2 and 3) and the closed share of the baseline's gap.

    Each score has the shape ``[1 + r]``. It is NaN where its divisor, a training return or the baseline's gap, is not
    positive.
    """
    gap = baseline.train - baseline.test_mean
    return {
        "Test / Train": method.test_mean / np.where(method.train > 0, method.train, np.nan),
        "Train - Test": method.train - method.test_mean,
        "G_perf": (method.test_mean - baseline.test_mean) / np.where(gap > 0, gap, np.nan),
    }


def average(environments: Mapping[str, Resampled]) -> Resampled:
    """Averages returns over environments, as in the last rows of Table 3."""
    found = list(environments.values())
    return Resampled(np.mean([x.train for x in found], axis=0), np.mean([x.test for x in found], axis=0))
