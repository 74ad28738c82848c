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

from synth_replay.codec_config import CodecConfig
from synth_replay.diffusion import LabelColumns
from synth_replay.errors import UnsupportedSpaceError
from synth_replay.labels import LabelEncoder
from synth_replay.normalizers import Affine, Quantile, heavy_tailed
from synth_replay.spaces import Array, Leaf, as_matrix, leaves_bounds, one_hot
from synth_replay.transitions import Transitions, TransitionSpec

MAX_LEVELS = 16
MAX_CONDITION_DIM = 8192
MAX_REPEATS = 8
MAX_HELD = 0.2  # of a class


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
        self.spec, self.config, self.label = spec, config, label
        self.levels: dict[str, Array] = {}
        self.affine: Affine = Affine(np.zeros(0), np.ones(0), np.zeros(0, bool))
        self.quantiles: dict[int, Quantile] = {}
        self.loose: list[str] = []
        self.table = np.zeros((1, 0), np.int64)
        self.counts = np.ones(1, np.int64)

    # -- layout -----------------------------------------------------------------------------

    def _conditioned(self, leaf: Leaf) -> bool:
        return self.config.discrete == "condition" and (leaf.kind == "categorical" or leaf.name in self.levels)

    def slots(self) -> list[_Slot]:
        """The leaves that are part of the continuous row, with their columns."""
        slots, start = [], 0
        for leaf in self.spec.leaves:
            if self._conditioned(leaf):
                continue
            one_hot = leaf.kind == "categorical" and leaf.name != "terminations"
            width = sum(leaf.categories) if one_hot else leaf.size
            slots.append(_Slot(leaf, slice(start, start + width)))
            start += width
        return slots

    def condition_leaves(self) -> list[Leaf]:
        """The leaves that are conditions."""
        return [leaf for leaf in self.spec.leaves if self._conditioned(leaf)]

    def cardinalities(self) -> list[int]:
        """Number of values of each condition code, the label's left out."""
        counts: list[int] = []
        for leaf in self.condition_leaves():
            counts += list(leaf.categories) if leaf.kind == "categorical" else [len(self.levels[leaf.name])]
        return counts

    @property
    def row_dim(self) -> int:
        """D: numbers in a row, constants left out."""
        return int(self.affine.varies.sum())

    @property
    def condition_dim(self) -> int:
        """C: width of the condition."""
        return sum(self.cardinalities()) + (self.label.width if self.label is not None else 0)

    @property
    def label_columns(self) -> LabelColumns | None:
        """Where the label is in the condition."""
        return LabelColumns(sum(self.cardinalities())) if self.label is not None else None

    # -- fitting ----------------------------------------------------------------------------

    def fit(self, transitions: Transitions, rng: np.random.Generator, labels: Array | None = None) -> Encoded:
        """Learns scales, levels and condition frequencies, and encodes the same rows.

        Args:
            transitions: Checked transitions.
            rng: Spreads repeated values over their rank interval.
            labels: Label values ``[n]``, if there are any.
        """
        leaves = transitions.leaves()
        self.levels, self.quantiles = self._find_levels(leaves), {}
        self.loose = [leaf.name for leaf in self.spec.leaves if leaves_bounds(leaf, leaves[leaf.name])]
        if self.condition_dim > MAX_CONDITION_DIM:
            raise UnsupportedSpaceError(f"{self.condition_dim} categories in all are more than {MAX_CONDITION_DIM}.")
        values = self._gather(leaves)
        self.affine = Affine.fit(values)
        self._exempt_flags()
        scores = self._scores(values, rng)
        codes = self.codes(leaves, labels)
        self.table, self.counts = np.unique(codes, axis=0, return_counts=True)
        rows = scores[:, self.affine.varies].astype(np.float32)
        return Encoded(rows, codes, self.conditions(codes, labels))

    def _find_levels(self, leaves: dict[str, Array]) -> dict[str, Array]:
        """Scalars with few distinct values, for example a sparse reward or an n-step discount."""
        levels = {}
        for leaf in self.spec.leaves:
            if self.config.discrete == "condition" and leaf.kind == "continuous" and leaf.shape == ():
                head = np.unique(leaves[leaf.name][:1000])
                unique = np.unique(leaves[leaf.name]) if len(head) <= MAX_LEVELS else head
                if len(unique) <= min(MAX_LEVELS, len(leaves[leaf.name]) // 10):
                    levels[leaf.name] = unique.astype(np.float64)
        return levels

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
                weight = self._rank_weight(slot.leaf, scores[:, column])
                if weight:
                    table, scores[:, column] = Quantile.fit(values[:, column], rng, weight)
                    self.quantiles[int(column)] = table
        return scores

    def _rank_weight(self, leaf: Leaf, z_scores: Array) -> float:
        """Weight of the ranks in a dimension's score; 0 where it is only standardised."""
        if self.config.normalizer == "quantile" or heavy_tailed(z_scores):
            return 1.0
        return self.config.rank_weight if self._is_absolute(leaf) else 0.0

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
            elif self._is_delta(leaf):
                before = as_matrix(leaves[leaf.name.removeprefix("next_")])
                np.subtract(flat, before, out=out[:, columns], dtype=np.float64)
            else:
                out[:, columns] = flat
        return out

    def _is_delta(self, leaf: Leaf) -> bool:
        is_next = leaf.name.startswith("next_observations") and leaf.kind == "continuous"
        return is_next and self.config.next_observations == "delta"

    def _is_absolute(self, leaf: Leaf) -> bool:
        return leaf.name.startswith(("observations", "actions", "next_actions")) or (
            leaf.name.startswith("next_observations") and not self._is_delta(leaf)
        )

    def codes(self, leaves: dict[str, Array], labels: Array | None = None) -> Array:
        """Condition codes ``[n, K]``: category numbers from 0, or the nearest level's number; the label's bin last."""
        parts = [np.zeros((len(leaves["rewards"]), 0), np.int64)]
        for leaf in self.condition_leaves():
            flat = as_matrix(leaves[leaf.name])
            if leaf.kind == "categorical":
                parts.append(flat.astype(np.int64) - leaf.low.reshape(-1).astype(np.int64))
            else:
                middles = (self.levels[leaf.name][1:] + self.levels[leaf.name][:-1]) / 2
                parts.append(np.searchsorted(middles, flat))
        if self.label is not None and labels is not None:
            parts.append(self.label.bins(labels)[:, None])
        return np.concatenate(parts, axis=1)

    def conditions(self, codes: Array, labels: Array | None) -> Array:
        """Conditions ``[n, C]`` float32 from codes ``[n, K]`` and label values ``[n]``."""
        if self.label is None or labels is None:
            return one_hot(codes, self.cardinalities())
        return np.concatenate([one_hot(codes[:, :-1], self.cardinalities()), self.label.encode(labels)], axis=1)

    def draw_labelled(self, bins: Array, rng: np.random.Generator) -> Array:
        """Draws a condition code that was seen with each of the label bins ``[n]``, or with the nearest bin."""
        seen = np.unique(self.table[:, -1])
        bins = seen[np.abs(seen[:, None] - bins).argmin(axis=0)]
        out = np.empty((len(bins), self.table.shape[1]), self.table.dtype)
        for number in np.unique(bins):
            rows = np.flatnonzero(bins == number)
            out[rows] = self.draw_codes(len(rows), rng, int(number))
        return out

    def draw_codes(self, count: int, rng: np.random.Generator, label: int | None = None) -> Array:
        """Draws ``count`` condition codes in the data's proportions, each to within one row, shuffled.

        Args:
            count: Number of rows.
            rng: Source of the draw.
            label: Only draw conditions that were seen with this label's bin.
        """
        counts = self.counts if label is None else self.counts * (self.table[:, -1] == label)
        edges = np.cumsum(counts) / counts.sum()
        positions = (np.arange(count) + rng.random()) / count
        index = np.minimum(np.searchsorted(edges, positions, side="right"), np.flatnonzero(counts)[-1])
        rng.shuffle(index)
        drawn: Array = self.table[index]
        return drawn

    def training_pool(self, terminations: Array, codes: Array) -> Array:
        """Row numbers to draw batches from: classes equally often, terminal rows at least ``rare_share`` of each.

        A class is repeated until it is as large as the largest, or all together are eight times the rows.

        Args:
            terminations: ``[n]``.
            codes: ``[n, K]``.
        """
        if self.label is None or not self.label.names:
            return self._with_rare_ends(terminations)
        classes = (np.flatnonzero(codes[:, -1] == number) for number in np.unique(codes[:, -1]))
        pools = [rows[self._with_rare_ends(terminations[rows])] for rows in classes]
        wanted = min(max(map(len, pools)), MAX_REPEATS * len(terminations) // len(pools))
        return np.concatenate([np.resize(pool, max(wanted, len(pool))) for pool in pools])

    def held_out(self, codes: Array, share: float, rng: np.random.Generator) -> Array:
        """Which rows to keep for the held-out loss, ``[n]`` bool: as many of each class, like the batches."""
        classed = self.label is not None and bool(self.label.names)
        classes = np.unique(codes[:, -1]) if classed else np.zeros(1)
        wanted, held = int(share * len(codes) / len(classes)), np.zeros(len(codes), bool)
        for number in classes:
            rows = np.flatnonzero(codes[:, -1] == number) if classed else np.arange(len(codes))
            count = min(wanted, int(MAX_HELD * len(rows))) if classed else wanted
            held[rng.choice(rows, count, replace=False)] = True
        return held

    def _with_rare_ends(self, terminations: Array) -> Array:
        """All row numbers, those of terminal rows repeated up to ``rare_share``."""
        count, rare = len(terminations), np.flatnonzero(terminations)
        share = self.config.rare_share
        wanted = int(share / (1 - share) * (count - len(rare)))
        if self.config.discrete != "condition" or not 0 < len(rare) < wanted:
            return np.arange(count)
        return np.concatenate([np.arange(count), np.resize(rare, wanted - len(rare))])

    # -- decoding ---------------------------------------------------------------------------

    def decode(self, rows: Array, codes: Array) -> Transitions:
        """Rows ``[n, D]`` and codes ``[n, K]`` to valid transitions.

        Every value is finite, within its bounds and of its column's dtype.
        """
        scores = np.zeros((len(rows), len(self.affine.varies)), np.float64)
        scores[:, self.affine.varies] = rows
        np.nan_to_num(scores, copy=False, posinf=0.0, neginf=0.0)
        values = self.affine.inverse(scores)
        for column, quantile in self.quantiles.items():
            values[:, column] = quantile.inverse(scores[:, column])
        leaves: dict[str, Array] = {}
        for slot in self.slots():
            leaves[slot.leaf.name] = self._decode_leaf(slot, values[:, slot.columns], leaves)
        leaves |= self._decode_codes(codes)
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
        if self._is_delta(leaf):
            values = values + as_matrix(done[leaf.name.removeprefix("next_")])
        values = values.reshape(shape)
        if leaf.name not in self.loose:
            values = np.clip(values, leaf.low, leaf.high)
        return (np.rint(values) if np.issubdtype(leaf.dtype, np.integer) else values).astype(leaf.dtype)

    def _decode_codes(self, codes: Array) -> dict[str, Array]:
        leaves, start = {}, 0
        for leaf in self.condition_leaves():
            width = leaf.size if leaf.kind == "categorical" else 1
            block = codes[:, start : start + width].reshape(len(codes), *leaf.shape)
            start += width
            values = block + leaf.low if leaf.kind == "categorical" else self.levels[leaf.name][block]
            leaves[leaf.name] = values.astype(leaf.dtype)
        return leaves

    # -- persistence ------------------------------------------------------------------------

    def state(self) -> dict[str, Array]:
        """Everything learnt, as named arrays."""
        arrays = {"shift": self.affine.shift, "scale": self.affine.scale, "varies": self.affine.varies}
        arrays |= {"table": self.table, "counts": self.counts}
        arrays |= {f"levels.{name}": values for name, values in self.levels.items()}
        arrays |= {f"loose.{name}": np.ones(1) for name in self.loose}
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
        codec.table, codec.counts = arrays["table"], arrays["counts"]
        for name, values in arrays.items():
            kind, _, rest = name.partition(".")
            if kind == "levels":
                codec.levels[rest] = values
            elif kind == "loose":
                codec.loose.append(rest)
            elif kind == "knots":
                codec.quantiles[int(rest)] = Quantile(values, arrays[f"scores.{rest}"])
        return codec
