"""Transitions to float32 rows and back.

A row is split in two. Its *condition* holds everything that takes one of a few values: categories,
terminations, rewards of a sparse task. Its continuous *row* is what diffusion models, given the
condition. Conditions are drawn from their empirical joint distribution, so a termination that
happens once in a thousand rows is generated once in a thousand rows, and the denoiser learns what
such rows look like. (SynthER, Appendix A, thresholds an un-normalised flag at 0.5 and asks for a
cleaner treatment; ``discrete="diffuse"`` is that original.)
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from synth_replay.codec.conditions import Conditions
from synth_replay.codec.config import CodecConfig
from synth_replay.codec.labels import LabelEncoder
from synth_replay.codec.normalizers import Affine, Quantile, heavy_tailed
from synth_replay.codec.whitening import WIDE, WIDEST, PrincipalAxes, delta_columns
from synth_replay.errors import UnsupportedSpaceError
from synth_replay.spaces import Array, Leaf, as_matrix, leaves_bounds, one_hot
from synth_replay.transitions import Transitions, TransitionSpec

MAX_CONDITION_DIM = 8192


@dataclass(frozen=True)
class Encoded:
    """Rows ready for diffusion.

    Attributes:
        rows: ``[n, D]`` float32.
        codes: ``[n, K]`` integer codes of the conditions.
        conditions: ``[n, C]`` float32, the same and the labels as the denoiser sees them.
    """

    rows: Array
    codes: Array
    conditions: Array


@dataclass(frozen=True)
class _Slot:
    """Where one leaf lives in the row: its columns, and how continuous values are scaled."""

    leaf: Leaf
    columns: slice


class TransitionCodec:
    """Fitted map between transitions and (row, condition) pairs.

    Args:
        spec: What a transition of this environment is.
        config: Encoding choices.
        label: The labels that rows carry as a further condition, the last one; None for none.
    """

    def __init__(self, spec: TransitionSpec, config: CodecConfig, label: LabelEncoder | None = None) -> None:
        self.spec, self.config = spec, config
        self.conditions = Conditions(spec, config, label)
        self.affine: Affine = Affine(np.zeros(0), np.ones(0), np.zeros(0, bool))
        self.quantiles: dict[int, Quantile] = {}
        self.axes: PrincipalAxes | None = None
        self.loose: list[str] = []
        seen = [leaf for leaf in spec.leaves if "observations" in leaf.name and leaf.kind == "continuous"]
        self._wide = config.decorrelate == "auto" and WIDE <= sum(leaf.size for leaf in seen) <= WIDEST
        self._next = [leaf for leaf in seen if leaf.name.startswith("next_")]
        delta = config.next_observations == "delta" or (config.next_observations == "auto" and not self._wide)
        # of each leaf of next observations, the columns that a row has as s' - s
        self.deltas = {leaf.name: np.full(leaf.size, delta) for leaf in self._next}

    # -- layout -----------------------------------------------------------------------------

    def slots(self) -> list[_Slot]:
        """The leaves that are part of the continuous row, with their columns."""
        slots, start = [], 0
        for leaf in self.spec.leaves:
            if self.conditions.includes(leaf):
                continue
            one_hot = leaf.kind == "categorical" and leaf.name != "terminations"
            width = sum(leaf.categories) if one_hot else leaf.size
            slots.append(_Slot(leaf, slice(start, start + width)))
            start += width
        return slots

    @property
    def row_dim(self) -> int:
        """D: numbers in a row, constants left out."""
        return int(self.affine.varies.sum())

    @property
    def widest(self) -> float:
        """Standard deviation of the row's widest direction: sampling starts that much higher."""
        return 1.0 if self.axes is None else float(self.axes.spreads.max())

    @property
    def loss_weights(self) -> Array | None:
        """``[D]`` weights of a row's columns in the loss, 1 on average; None where all count alike."""
        return None if self.axes is None else self.axes.loss_weights(np.flatnonzero(self.affine.varies))

    # -- fitting ----------------------------------------------------------------------------

    def fit(self, transitions: Transitions, rng: np.random.Generator, labels: Array | None = None) -> Encoded:
        """Learns scales, levels and condition frequencies, and encodes the same rows.

        Args:
            transitions: Checked transitions.
            rng: Spreads repeated values over their rank interval.
            labels: Label values ``[n]``, if there are any.
        """
        leaves = transitions.leaves()
        self.conditions.find_levels(leaves)
        self.quantiles = {}
        self.loose = [leaf.name for leaf in self.spec.leaves if leaves_bounds(leaf, leaves[leaf.name])]
        if self._wide and self.config.next_observations == "auto":
            self.deltas = {leaf.name: delta_columns(leaf, leaves[leaf.name]) for leaf in self._next}
        if self.conditions.dim > MAX_CONDITION_DIM:
            raise UnsupportedSpaceError(f"{self.conditions.dim} categories in all are more than {MAX_CONDITION_DIM}.")
        values = self._gather(leaves)
        self.affine = Affine.fit(values)
        self._exempt_flags()
        scores = self._scores(values, rng)
        self.axes = self._fit_axes(scores)
        if self.axes is not None:
            scores = self.axes.forward(scores)
        codes = self.conditions.fit(leaves, labels)
        rows = scores[:, self.affine.varies].astype(np.float32)
        return Encoded(rows, codes, self.conditions.encode(codes, labels))

    def _exempt_flags(self) -> None:
        """SynthER leaves the terminal flag un-normalised; one-hot columns need no scale either."""
        shift, scale = self.affine.shift.copy(), self.affine.scale.copy()
        for slot in self.slots():
            if slot.leaf.kind == "categorical":
                varies = self.affine.varies[slot.columns]
                shift[slot.columns] = np.where(varies, 0.0, shift[slot.columns])
                scale[slot.columns] = 1.0
        self.affine = replace(self.affine, shift=shift, scale=scale)

    def _scores(self, values: Array, rng: np.random.Generator) -> Array:
        """Fits a table for each dimension that needs one, and scores all values ``[n, D']``."""
        scores = self.affine.forward(values)
        for slot in self.slots():
            if self.config.normalizer == "zscore" or slot.leaf.kind == "categorical":
                continue
            for column in np.flatnonzero(self.affine.varies[slot.columns]) + slot.columns.start:
                weight = self._rank_weight(slot.leaf, column - slot.columns.start, scores[:, column])
                if weight:
                    table, scores[:, column] = Quantile.fit(values[:, column], rng, weight)
                    self.quantiles[int(column)] = table
        return scores

    def _fit_axes(self, scores: Array) -> PrincipalAxes | None:
        """Of the continuous columns of observations and next observations, if they are many."""
        slots = [s for s in self.slots() if "observations" in s.leaf.name and s.leaf.kind == "continuous"]
        found = [np.flatnonzero(self.affine.varies[s.columns]) + s.columns.start for s in slots]
        columns = np.concatenate([np.zeros(0, int), *found])
        return PrincipalAxes.fit(scores, columns) if self._wide and len(columns) > 1 else None

    def _rank_weight(self, leaf: Leaf, column: int, z_scores: Array) -> float:
        """Weight of the ranks in a dimension's score; 0 where it is only standardised."""
        if self.config.normalizer == "quantile" or heavy_tailed(z_scores):
            return 1.0
        absolute = leaf.name.startswith(("observations", "actions", "next_actions"))
        absolute |= leaf.name in self.deltas and not self.deltas[leaf.name][column]
        return self.config.rank_weight if absolute else 0.0

    # -- encoding ---------------------------------------------------------------------------

    def _gather(self, leaves: dict[str, Array]) -> Array:
        """All continuous columns ``[n, D']`` in float64, before scaling."""
        slots = self.slots()
        width = slots[-1].columns.stop if slots else 0
        out = np.empty((len(leaves["rewards"]), width), np.float64)
        for leaf, columns in ((s.leaf, s.columns) for s in slots):
            flat = as_matrix(leaves[leaf.name])
            if leaf.kind == "categorical" and leaf.name != "terminations":
                out[:, columns] = one_hot(flat.astype(np.int64) - leaf.low.reshape(-1).astype(int), leaf.categories)
            else:
                np.subtract(flat, self._before(leaf, leaves), out=out[:, columns], dtype=np.float64)
        return out

    def _before(self, leaf: Leaf, leaves: dict[str, Array]) -> Array | float:
        """What a row lacks of a leaf: the observation where it has the delta, ``[n, d]``; 0 without any."""
        deltas = self.deltas.get(leaf.name)
        if deltas is None or not deltas.any():
            return 0.0
        before = as_matrix(leaves[leaf.name.removeprefix("next_")])
        return before if deltas.all() else np.where(deltas, before, 0.0)

    # -- decoding ---------------------------------------------------------------------------

    def decode(self, rows: Array, codes: Array) -> Transitions:
        """Rows ``[n, D]`` and codes ``[n, K]`` to valid transitions.

        Every value is finite, within its bounds and of its column's dtype.
        """
        scores = np.zeros((len(rows), len(self.affine.varies)), np.float64)
        scores[:, self.affine.varies] = rows
        np.nan_to_num(scores, copy=False, posinf=0.0, neginf=0.0)
        if self.axes is not None:
            scores = self.axes.inverse(scores)
        values = self.affine.inverse(scores)
        for column, quantile in self.quantiles.items():
            values[:, column] = quantile.inverse(scores[:, column])
        leaves: dict[str, Array] = {}
        for slot in self.slots():
            leaves[slot.leaf.name] = self._decode_leaf(slot, values[:, slot.columns], leaves)
        leaves |= self.conditions.decode(codes)
        return Transitions.from_leaves({leaf.name: leaves[leaf.name] for leaf in self.spec.leaves})

    def _decode_leaf(self, slot: _Slot, values: Array, done: dict[str, Array]) -> Array:
        leaf = slot.leaf
        shape = (len(values), *leaf.shape)
        if leaf.name == "terminations":
            return values.reshape(-1) > 0.5
        if leaf.kind == "categorical":
            edges = np.cumsum(leaf.categories)[:-1]
            chosen = [block.argmax(axis=1) for block in np.split(values, edges, axis=1)]
            return (np.stack(chosen, axis=1).reshape(shape) + leaf.low).astype(leaf.dtype)
        values = (values + self._before(leaf, done)).reshape(shape)
        if leaf.name not in self.loose:
            values = np.clip(values, leaf.low, leaf.high)
        return (np.rint(values) if np.issubdtype(leaf.dtype, np.integer) else values).astype(leaf.dtype)

    # -- persistence ------------------------------------------------------------------------

    def state(self) -> dict[str, Array]:
        """Everything learnt, as named arrays."""
        arrays = {"shift": self.affine.shift, "scale": self.affine.scale, "varies": self.affine.varies}
        arrays |= self.conditions.state()
        if self.axes is not None:
            arrays |= {f"axes.{name}": value for name, value in vars(self.axes).items()}
        arrays |= {f"loose.{name}": np.ones(1) for name in self.loose}
        arrays |= {f"delta.{name}": columns for name, columns in self.deltas.items()}
        for column, quantile in self.quantiles.items():
            arrays |= {f"knots.{column}": quantile.knots, f"scores.{column}": quantile.scores}
        return arrays

    @classmethod
    def from_state(
        cls, spec: TransitionSpec, config: CodecConfig, arrays: dict[str, Any], label: LabelEncoder | None = None
    ) -> TransitionCodec:
        """Rebuilds a fitted codec from :meth:`state` and its labels."""
        codec = cls(spec, config, label)
        codec.affine = Affine(arrays["shift"], arrays["scale"], arrays["varies"].astype(bool))
        codec.conditions.load(arrays)
        if "axes.columns" in arrays:
            axes = {name: arrays[f"axes.{name}"] for name in PrincipalAxes.__dataclass_fields__}
            codec.axes = PrincipalAxes(**axes | {"columns": axes["columns"].astype(int)})
        for name, values in arrays.items():
            kind, _, rest = name.partition(".")
            if kind == "loose":
                codec.loose.append(rest)
            elif kind == "delta":
                codec.deltas[rest] = values.astype(bool)
            elif kind == "knots":
                codec.quantiles[int(rest)] = Quantile(values, arrays[f"scores.{rest}"])
        return codec
