"""Labels of rows: classes (offline and online) or one number (a return, a curiosity score)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypedDict

import numpy as np

from synth_replay.codec.precision import MAX_MAGNITUDE
from synth_replay.errors import InvalidTransitionsError
from synth_replay.spaces import Array, one_hot

BINS = 32
POINTS_PER_BIN = 32


class LabelDict(TypedDict):
    """A :class:`LabelEncoder` as JSON values, one for each of its attributes."""

    classes: list[int | str]
    quantiles: list[float]
    mean: float
    std: float


@dataclass(frozen=True)
class LabelEncoder:
    """Encoder of labels as a part of the denoiser's condition.

    Classes become one-hot columns and a number becomes its z-score. The distribution of a number is kept as quantiles,
    from which labels are sampled. The quantiles form bins of about equal mass; a termination is sampled from the rows
    of the label's bin.

    Attributes:
        classes: Distinct classes in ascending order; empty where the label is a number.
        quantiles: ``BINS * POINTS_PER_BIN`` quantiles of the number at equal steps of rank; empty for classes.
        mean: Mean of the number.
        std: Standard deviation of the number.
    """

    classes: tuple[int | str, ...] = ()
    quantiles: tuple[float, ...] = ()
    mean: float = 0.0
    std: float = 1.0

    @classmethod
    def from_labels(cls, labels: Any, rows: int) -> LabelEncoder:
        """Builds the encoder of the given labels.

        Args:
            labels: Whole numbers or strings (classes), or floats (a number), ``[rows]``.
            rows: Number of rows.

        Raises:
            InvalidTransitionsError: If the length is wrong, or the labels are neither whole numbers, strings, nor
                finite floats.
        """
        array = np.asarray(labels)
        if array.shape != (rows,) or array.dtype.kind not in "iuUf":
            raise InvalidTransitionsError(
                f"labels need one whole number, string or float for each of the {rows} rows; got {array.dtype} of "
                f"shape {array.shape}."
            )
        if array.dtype.kind != "f":
            return cls(classes=tuple(np.unique(array).tolist()))
        _require_finite(array)
        ranks = (np.arange(BINS * POINTS_PER_BIN) + 0.5) / (BINS * POINTS_PER_BIN)
        quantiles = np.quantile(array.astype(np.float64), ranks, method="inverted_cdf")  # values that occur
        return cls((), tuple(quantiles.tolist()), float(array.mean()), float(array.std()) or 1.0)

    @property
    def width(self) -> int:
        """Columns of an encoded label: one per class or one for the number, and the flag of the null token."""
        return len(self.classes) + 1 if self.classes else 2

    def values(self, labels: Any, rows: int) -> Array:
        """Converts labels to class indices, or to float64 where the label is a number.

        Args:
            labels: One label for all rows, or ``[rows]`` labels.
            rows: Number of rows.

        Returns:
            Label values ``[rows]``.

        Raises:
            InvalidTransitionsError: If a label was not fitted, or the length is wrong.
        """
        array = np.asarray(labels)
        if array.shape not in ((), (rows,)):
            raise InvalidTransitionsError(f"label is one for all {rows} rows or one for each; got shape {array.shape}.")
        if not self.classes:
            if array.dtype.kind not in "iuf":
                raise InvalidTransitionsError(f"The rows were fitted with a number as label; got {labels!r}.")
            _require_finite(array)
            return np.broadcast_to(array.astype(np.float64), rows)
        indices = {name: index for index, name in enumerate(self.classes)}
        distinct, inverse = np.unique(array.reshape(-1), return_inverse=True)
        unknown = [name for name in distinct.tolist() if name not in indices]
        if unknown:
            raise InvalidTransitionsError(
                f"No row was fitted with the label {unknown[0]!r}; there are {list(self.classes)}."
            )
        found = np.array([indices[name] for name in distinct.tolist()])[inverse]
        return np.broadcast_to(found.reshape(array.shape), rows)

    def bins(self, values: Array) -> Array:
        """Returns the bin of each label value ``[n]``: its class, or the interval of quantiles that holds it."""
        return values.astype(np.int64) if self.classes else np.searchsorted(self._edges(), values, side="right")

    def _edges(self) -> Array:
        return np.unique(np.asarray(self.quantiles)[POINTS_PER_BIN::POINTS_PER_BIN])

    def sample(self, bins: Array, rng: np.random.Generator) -> Array:
        """Samples one label value ``[n]`` from the data's distribution within each bin ``[n]``."""
        if self.classes:
            return bins
        points = np.asarray(self.quantiles)
        inner = np.searchsorted(points, self._edges(), side="left")
        starts, stops = np.concatenate([[0], inner]), np.concatenate([inner, [len(points)]])
        at = starts[bins] + rng.random(len(bins)) * (stops - starts)[bins]
        sampled: Array = points[np.minimum(at.astype(np.int64), len(points) - 1)]
        return sampled

    def encode(self, values: Array) -> Array:
        """Encodes label values ``[n]`` as ``[n, width]`` float32; the last column, the null token's flag, is zero."""
        if self.classes:
            return one_hot(values.astype(np.int64)[:, None], [self.width])
        scores = (values - self.mean) / self.std
        return np.stack([scores, np.zeros(len(values))], axis=1).astype(np.float32)

    def to_dict(self) -> LabelDict:
        """Returns the encoder as JSON values."""
        return LabelDict(classes=list(self.classes), quantiles=list(self.quantiles), mean=self.mean, std=self.std)

    @classmethod
    def from_dict(cls, data: LabelDict) -> LabelEncoder:
        """Builds the encoder from the JSON values of :meth:`to_dict`."""
        if strange := [name for name in data["classes"] if type(name) not in (int, str)]:
            raise TypeError(f"a class is a whole number or text, not {strange[0]!r:.80}")
        return cls(
            tuple(data["classes"]), tuple(map(float, data["quantiles"])), float(data["mean"]), float(data["std"])
        )


def _require_finite(array: Array) -> None:
    if not np.isfinite(array).all():
        raise InvalidTransitionsError("A label is NaN or infinite.")
    if array.size and float(np.abs(array).max()) > MAX_MAGNITUDE:
        raise InvalidTransitionsError(f"A label's magnitude is above {MAX_MAGNITUDE:g}: rescale the labels.")
