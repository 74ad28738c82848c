"""The part of a transition that takes few values: what the denoiser is conditioned on, and how often it is drawn."""

from __future__ import annotations

from typing import Any

import numpy as np

from synth_replay.codec.config import CodecConfig
from synth_replay.codec.labels import LabelEncoder
from synth_replay.diffusion import LabelColumns
from synth_replay.spaces import Array, Leaf, as_matrix, one_hot
from synth_replay.transitions import TransitionSpec

MAX_LEVELS = 16
MAX_REPEATS = 8
MAX_HELD = 0.2  # of a class


class Conditions:
    """Categories, flags, rewards of few values, and the label: fitted map to codes and to the denoiser's condition.

    Args:
        spec: What a transition of this environment is.
        config: Encoding choices.
        label: The labels that rows carry as a further condition, the last one; None for none.
    """

    def __init__(self, spec: TransitionSpec, config: CodecConfig, label: LabelEncoder | None = None) -> None:
        self.spec, self.config, self.label = spec, config, label
        self.levels: dict[str, Array] = {}
        self.table = np.zeros((1, 0), np.int64)
        self.counts = np.ones(1, np.int64)

    # -- layout -----------------------------------------------------------------------------

    def includes(self, leaf: Leaf) -> bool:
        """Whether a leaf is a condition."""
        return self.config.discrete == "condition" and (leaf.kind == "categorical" or leaf.name in self.levels)

    def leaves(self) -> list[Leaf]:
        """The leaves that are conditions."""
        return [leaf for leaf in self.spec.leaves if self.includes(leaf)]

    def cardinalities(self) -> list[int]:
        """Number of values of each condition code, the label's left out."""
        counts: list[int] = []
        for leaf in self.leaves():
            counts += list(leaf.categories) if leaf.kind == "categorical" else [len(self.levels[leaf.name])]
        return counts

    @property
    def dim(self) -> int:
        """C: width of the condition."""
        return sum(self.cardinalities()) + (self.label.width if self.label is not None else 0)

    @property
    def label_columns(self) -> LabelColumns | None:
        """Where the label is in the condition."""
        return LabelColumns(sum(self.cardinalities())) if self.label is not None else None

    # -- fitting ----------------------------------------------------------------------------

    def find_levels(self, leaves: dict[str, Array]) -> None:
        """Learns which columns only take a few values."""
        self.levels = self._find_levels(leaves)

    def fit(self, leaves: dict[str, Array], labels: Array | None) -> Array:
        """Learns how often each combination occurs; returns the rows' codes ``[n, K]``."""
        codes = self.codes(leaves, labels)
        self.table, self.counts = np.unique(codes, axis=0, return_counts=True)
        return codes

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

    def codes(self, leaves: dict[str, Array], labels: Array | None = None) -> Array:
        """Condition codes ``[n, K]``: category numbers from 0, or the nearest level's number; the label's bin last."""
        parts = [np.zeros((len(leaves["rewards"]), 0), np.int64)]
        for leaf in self.leaves():
            flat = as_matrix(leaves[leaf.name])
            if leaf.kind == "categorical":
                parts.append(flat.astype(np.int64) - leaf.low.reshape(-1).astype(np.int64))
            else:
                middles = (self.levels[leaf.name][1:] + self.levels[leaf.name][:-1]) / 2
                parts.append(np.searchsorted(middles, flat))
        if self.label is not None and labels is not None:
            parts.append(self.label.bins(labels)[:, None])
        return np.concatenate(parts, axis=1)

    def encode(self, codes: Array, labels: Array | None) -> Array:
        """Conditions ``[n, C]`` float32 from codes ``[n, K]`` and label values ``[n]``."""
        if self.label is None or labels is None:
            return one_hot(codes, self.cardinalities())
        return np.concatenate([one_hot(codes[:, :-1], self.cardinalities()), self.label.encode(labels)], axis=1)

    # -- drawing ----------------------------------------------------------------------------

    def draw_labelled(self, bins: Array, rng: np.random.Generator) -> Array:
        """Draws a condition code that was seen with each of the label bins ``[n]``, or with the nearest bin."""
        seen = np.unique(self.table[:, -1])
        bins = seen[np.abs(seen[:, None] - bins).argmin(axis=0)]
        out = np.empty((len(bins), self.table.shape[1]), self.table.dtype)
        for number in np.unique(bins):
            rows = np.flatnonzero(bins == number)
            out[rows] = self.draw(len(rows), rng, int(number))
        return out

    def draw(self, count: int, rng: np.random.Generator, label: int | None = None) -> Array:
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
        held = np.zeros(len(codes), bool)
        classes = np.unique(codes[:, -1]) if self.label is not None and self.label.names else np.zeros(1)
        classed = len(classes) > 1 and share * len(codes) >= len(classes)  # else any rows, not one of each class
        classes = classes if classed else np.zeros(1)
        wanted = int(share * len(codes) / len(classes))
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

    def decode(self, codes: Array) -> dict[str, Array]:
        """Codes ``[n, K]`` to columns by name."""
        leaves, start = {}, 0
        for leaf in self.leaves():
            width = leaf.size if leaf.kind == "categorical" else 1
            block = codes[:, start : start + width].reshape(len(codes), *leaf.shape)
            start += width
            values = block + leaf.low if leaf.kind == "categorical" else self.levels[leaf.name][block]
            leaves[leaf.name] = values.astype(leaf.dtype)
        return leaves

    # -- persistence ------------------------------------------------------------------------

    def state(self) -> dict[str, Array]:
        """Everything learnt, as named arrays."""
        levels = {f"levels.{name}": values for name, values in self.levels.items()}
        return {"table": self.table, "counts": self.counts} | levels

    def load(self, arrays: dict[str, Any]) -> None:
        """Goes back to a state of :meth:`state`."""
        self.table, self.counts = arrays["table"], arrays["counts"]
        self.levels = {name.removeprefix("levels."): a for name, a in arrays.items() if name.startswith("levels.")}
