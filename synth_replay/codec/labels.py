"""Labels of rows: classes (offline and online, say) or one number (a return, a curiosity score)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from synth_replay.errors import InvalidTransitionsError
from synth_replay.spaces import Array, one_hot

BINS = 32
POINTS_PER_BIN = 32


@dataclass(frozen=True)
class LabelEncoder:
    """What the labels of the fitted rows were, and how one becomes a part of the denoiser's condition.

    A number is standardised. Its distribution is kept as quantiles, so that labels can be drawn as the data's are,
    and in bins of about equal mass, so that what is drawn beside it (a termination, say) goes with it.

    Attributes:
        names: The distinct classes, sorted; empty for a number.
        quantiles: ``[BINS * POINTS_PER_BIN]`` of the numbers, at equal steps of rank; empty for classes.
        mean: Of the numbers.
        std: Of the numbers.
    """

    names: tuple[int | str, ...] = ()
    quantiles: tuple[float, ...] = ()
    mean: float = 0.0
    std: float = 1.0

    @classmethod
    def fit(cls, labels: Any, rows: int) -> LabelEncoder:
        """Learns from one label per row.

        Raises:
            InvalidTransitionsError: If the length is wrong, or the labels are neither whole numbers, strings, nor
                finite numbers.
        """
        array = np.asarray(labels)
        if array.shape != (rows,) or array.dtype.kind not in "iuUf":
            raise InvalidTransitionsError(
                f"labels need one whole number, string or float for each of the {rows} rows; got {array.dtype} of "
                f"shape {array.shape}."
            )
        if array.dtype.kind != "f":
            return cls(names=tuple(np.unique(array).tolist()))
        _require_finite(array)
        ranks = (np.arange(BINS * POINTS_PER_BIN) + 0.5) / (BINS * POINTS_PER_BIN)
        quantiles = np.quantile(array.astype(np.float64), ranks, method="inverted_cdf")  # values that occur
        return cls((), tuple(quantiles.tolist()), float(array.mean()), float(array.std()) or 1.0)

    @property
    def width(self) -> int:
        """Columns of an encoded label: one for each class and one for the null token, or a number and the null flag."""
        return len(self.names) + 1 if self.names else 2

    def values(self, labels: Any, rows: int) -> Array:
        """Class numbers, or the numbers themselves, ``[rows]``.

        Args:
            labels: One label for all rows, or one for each.
            rows: How many.

        Raises:
            InvalidTransitionsError: If a label is not one of those fitted, or the length is wrong.
        """
        array = np.asarray(labels)
        if array.shape not in ((), (rows,)):
            raise InvalidTransitionsError(f"label is one for all {rows} rows or one for each; got shape {array.shape}.")
        if not self.names:
            if array.dtype.kind not in "iuf":
                raise InvalidTransitionsError(f"The rows were fitted with a number as label; got {labels!r}.")
            _require_finite(array)
            return np.broadcast_to(array.astype(np.float64), rows)
        numbers = {name: number for number, name in enumerate(self.names)}
        distinct, inverse = np.unique(array.reshape(-1), return_inverse=True)
        unknown = [name for name in distinct.tolist() if name not in numbers]
        if unknown:
            raise InvalidTransitionsError(
                f"No row was fitted with the label {unknown[0]!r}; there are {list(self.names)}."
            )
        found = np.array([numbers[name] for name in distinct.tolist()])[inverse]
        return np.broadcast_to(found.reshape(array.shape), rows)

    def bins(self, values: Array) -> Array:
        """The bin of each value: its class, or the bin of about equal mass that it falls into."""
        return values.astype(np.int64) if self.names else np.searchsorted(self._edges(), values, side="right")

    def _edges(self) -> Array:
        return np.unique(np.asarray(self.quantiles)[POINTS_PER_BIN::POINTS_PER_BIN])

    def draw(self, bins: Array, rng: np.random.Generator) -> Array:
        """A value of each bin, as they are distributed in it."""
        if self.names:
            return bins
        points = np.asarray(self.quantiles)
        ends = np.searchsorted(points, self._edges(), side="left")
        starts, ends = np.concatenate([[0], ends]), np.concatenate([ends, [len(points)]])
        at = starts[bins] + rng.random(len(bins)) * (ends - starts)[bins]
        drawn: Array = points[np.minimum(at.astype(np.int64), len(points) - 1)]
        return drawn

    def encode(self, values: Array) -> Array:
        """Values ``[n]`` to ``[n, width]`` float32; the last column, the null token's, is zero."""
        if self.names:
            return one_hot(values.astype(np.int64)[:, None], [self.width])
        scores = (values - self.mean) / self.std
        return np.stack([scores, np.zeros(len(values))], axis=1).astype(np.float32)

    def to_dict(self) -> dict[str, Any]:
        """JSON types; ``LabelEncoder(**...)`` of them is the inverse but for lists in place of tuples."""
        return {"names": list(self.names), "quantiles": list(self.quantiles), "mean": self.mean, "std": self.std}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> LabelEncoder:
        """The inverse of :meth:`to_dict`."""
        return cls(tuple(data["names"]), tuple(data["quantiles"]), data["mean"], data["std"])


def _require_finite(array: Array) -> None:
    if not np.isfinite(array).all():
        raise InvalidTransitionsError("A label is NaN or infinite.")
