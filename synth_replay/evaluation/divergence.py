"""Divergence of training and test observations in latent space (arXiv 2508.12356, Section 4.3.2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from synth_replay.errors import InvalidTransitionsError, SpecMismatchError
from synth_replay.spaces import Array

CELLS = 1024
PADDING = 4.0  # margin beyond the outermost rows, in bandwidths


@dataclass(frozen=True, eq=False)
class Divergence:
    """Jensen-Shannon divergence between two sets of latents.

    Attributes:
        per_dimension: Divergences ``[d]`` in bits: 0 for equal distributions, 1 for disjoint ones.
    """

    per_dimension: Array

    @property
    def mean(self) -> float:
        """Mean divergence over the dimensions, in bits."""
        return float(self.per_dimension.mean())

    def to_dict(self) -> dict[str, float | list[float]]:
        """Returns the divergences in JSON types."""
        return {"mean": self.mean, "per_dimension": self.per_dimension.tolist()}


def latent_divergence(train: Array, test: Array) -> Divergence:
    """Estimates the Jensen-Shannon divergence of each latent dimension, between Gaussian kernel density estimates.

    Both sets are smoothed with one bandwidth, the geometric mean of their bandwidths by Scott's rule;
    ``scipy.stats.gaussian_kde`` would smooth each set with its own. For continuous latents the difference is small. For
    a ReLU output that is positive in 2 % of the test rows and 5 % of the training rows, two bandwidths blur the spike
    at zero to two widths: with 2,000 rows they give 0.11 bits, this estimate gives 0.008, and the true value is 0.005.

    All rows are used, in linear time: they are assigned to the cells of a fine grid, which is convolved with the
    kernel. Equal distributions do not quite score zero: with 200, 1,000 and 10,000 Gaussian rows on each side the
    estimate is about 0.008, 0.0027 and 0.0005. Compare methods at equal numbers of rows.

    Args:
        train: Latents ``[n, d]`` of training observations, n at least 2.
        test: Latents ``[m, d]`` of test observations by the same encoder, m at least 2.

    Raises:
        SpecMismatchError: If they are not matrices with the same number of columns.
        InvalidTransitionsError: If there are fewer than two rows, or rows with NaN or infinity.
    """
    train, test = np.asarray(train), np.asarray(test)
    _check(train, test)
    columns = zip(train.T, test.T, strict=True)
    return Divergence(np.array([_divergence(a.astype(np.float64), b.astype(np.float64)) for a, b in columns]))


def normalized_divergences(divergences: Mapping[str, Divergence]) -> dict[str, float]:
    """Divides the mean divergences of several methods in one environment by the largest (Figures 1b, 4b and 6b).

    The paper only says that means are normalised within an environment. Division keeps their ratios; scaling by
    minimum and maximum would show the best method as 0 even if its advantage is small.

    Args:
        divergences: Divergence of each method.

    Returns:
        A number in [0, 1] for each method: 1 for the worst, or 0 for all if there is no divergence.
    """
    means = {method: found.mean for method, found in divergences.items()}
    largest = max(means.values(), default=0.0) or 1.0
    return {method: mean / largest for method, mean in means.items()}


def _check(train: Array, test: Array) -> None:
    if train.ndim != 2 or test.ndim != 2 or train.shape[1] != test.shape[1] or not train.shape[1]:
        raise SpecMismatchError(
            f"Latents are matrices [rows, d] of one encoder; got shapes {train.shape} and {test.shape}."
        )
    for name, values in (("train", train), ("test", test)):
        if len(values) < 2:
            raise InvalidTransitionsError(
                f"{name} has {len(values)} rows; a density estimate needs at least 2, and better 1,000."
            )
        if not np.isfinite(values).all():
            raise InvalidTransitionsError(f"{name} latents hold NaN or infinity: check the encoder that made them.")


def _divergence(train: Array, test: Array) -> float:
    bandwidth = float(np.sqrt(_scott(train) * _scott(test)))
    low = min(train.min(), test.min()) - PADDING * bandwidth
    cell = (max(train.max(), test.max()) + PADDING * bandwidth - low) / (CELLS - 1)
    if cell == 0:
        return 0.0
    lags = np.minimum(np.arange(CELLS), CELLS - np.arange(CELLS)) * cell
    # a kernel much narrower than a cell leaves all mass in the cell
    kernel = np.exp(-0.5 * np.square(lags / max(bandwidth, 1e-2 * cell)))
    p, q = (_masses((values - low) / cell, kernel) for values in (train, test))
    middle = (p + q) / 2
    return float(np.clip((_relative_entropy(p, middle) + _relative_entropy(q, middle)) / 2, 0.0, 1.0))


def _scott(values: Array) -> float:
    """Computes the bandwidth of one dimension by Scott's rule."""
    return float(values.std(ddof=1)) * len(values) ** -0.2 if np.ptp(values) else 0.0


def _masses(positions: Array, kernel: Array) -> Array:
    """Splits each row between its two nearest cells and smooths the counts; ``[CELLS]`` that sum to 1."""
    left = np.minimum(positions.astype(np.intp), CELLS - 2)
    right = positions - left
    counts = np.bincount(left, 1 - right, CELLS) + np.bincount(left + 1, right, CELLS)
    smooth = np.fft.irfft(np.fft.rfft(counts) * np.fft.rfft(kernel), CELLS).clip(0)
    masses: Array = smooth / smooth.sum()
    return masses


def _relative_entropy(p: Array, q: Array) -> float:
    """Computes the Kullback-Leibler divergence of ``p`` from ``q`` in bits; ``q`` is positive where ``p`` is."""
    some = p > 0
    return float(p[some] @ np.log2(p[some] / q[some]))
