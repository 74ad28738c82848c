"""Conditions: the discrete part of a transition, which is sampled from the data and given to the denoiser."""

from __future__ import annotations

import numpy as np

from synth_replay.codec.config import CodecConfig
from synth_replay.codec.labels import LabelEncoder
from synth_replay.diffusion import LabelColumns
from synth_replay.errors import UnsupportedSpaceError
from synth_replay.spaces import Array, Leaf, as_matrix, one_hot
from synth_replay.transitions import TransitionSpec

MAX_DIM = 8192
MAX_LEVELS = 16
MAX_REPEATS = 8
MAX_HOLDOUT_SHARE = 0.2  # of a class


class Conditions:
    """A map from categories, flags, rewards of few values and the label to codes and to the denoiser's condition.

    Args:
        spec: Columns of a transition of this environment.
        config: Encoding settings.
        label: Encoder of the rows' labels, which are the last condition; None without labels.

    Attributes:
        levels: Distinct values of each continuous column that takes few values, by column name.
        table: Distinct combinations of condition codes ``[M, K]`` in the data.
        counts: Number of rows ``[M]`` of each combination.
    """

    def __init__(self, spec: TransitionSpec, config: CodecConfig, label: LabelEncoder | None = None) -> None:
        self.spec, self.config, self.label = spec, config, label
        self.levels: dict[str, Array] = {}
        self.table = np.zeros((1, 0), np.int64)
        self.counts = np.ones(1, np.int64)

    # -- layout -----------------------------------------------------------------------------

    def includes(self, leaf: Leaf) -> bool:
        """Tells whether a leaf is a condition."""
        return self.config.discrete == "condition" and (leaf.kind == "categorical" or leaf.name in self.levels)

    def leaves(self) -> list[Leaf]:
        """Returns the leaves that are conditions."""
        return [leaf for leaf in self.spec.leaves if self.includes(leaf)]

    def cardinalities(self) -> list[int]:
        """Returns the number of values of each condition code, without the label's."""
        counts: list[int] = []
        for leaf in self.leaves():
            counts += list(leaf.categories) if leaf.kind == "categorical" else [len(self.levels[leaf.name])]
        return counts

    @property
    def dim(self) -> int:
        """Columns of the condition, C."""
        return sum(self.cardinalities()) + (self.label.width if self.label is not None else 0)

    @property
    def label_columns(self) -> LabelColumns | None:
        """Position of the label in the condition; None without labels."""
        return LabelColumns(sum(self.cardinalities())) if self.label is not None else None

    # -- fitting ----------------------------------------------------------------------------

    def fit_transform(self, leaves: dict[str, Array], labels: Array | None) -> Array:
        """Learns the conditions and how often each combination occurs.

        Args:
            leaves: Columns of the real rows, by name.
            labels: Label values ``[n]``, or None.

        Returns:
            Condition codes ``[n, K]`` of the rows.

        Raises:
            UnsupportedSpaceError: If there are too many categories for a one-hot condition.
        """
        self.levels = self._find_levels(leaves)
        if self.dim > MAX_DIM:
            raise UnsupportedSpaceError(
                f"The spaces have {self.dim} categories in all, more than the {MAX_DIM} that can be modelled. "
                "Use spaces with fewer categories."
            )
        codes = self.codes(leaves, labels)
        self.table, self.counts = np.unique(codes, axis=0, return_counts=True)
        return codes

    def _find_levels(self, leaves: dict[str, Array]) -> dict[str, Array]:
        """Returns the values of scalar columns that take few, for example a sparse reward or an n-step discount."""
        levels = {}
        for leaf in self.spec.leaves:
            if self.config.discrete == "condition" and leaf.kind == "continuous" and leaf.shape == ():
                head = np.unique(leaves[leaf.name][:1000])
                unique = np.unique(leaves[leaf.name]) if len(head) <= MAX_LEVELS else head
                if len(unique) <= min(MAX_LEVELS, len(leaves[leaf.name]) // 10):
                    levels[leaf.name] = unique.astype(np.float64)
        return levels

    def codes(self, leaves: dict[str, Array], labels: Array | None = None) -> Array:
        """Returns condition codes ``[n, K]``: categories from 0, indices of the nearest levels, the label bin."""
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
        """Encodes codes ``[n, K]`` and label values ``[n]`` as conditions ``[n, C]`` float32."""
        if self.label is None or labels is None:
            return one_hot(codes, self.cardinalities())
        return np.concatenate([one_hot(codes[:, :-1], self.cardinalities()), self.label.encode(labels)], axis=1)

    # -- sampling ---------------------------------------------------------------------------

    def sample_labelled(self, bins: Array, rng: np.random.Generator) -> Array:
        """Samples condition codes ``[n, K]`` among the rows of each label bin ``[n]``, or of the nearest bin in use."""
        seen = np.unique(self.table[:, -1])
        bins = seen[np.abs(seen[:, None] - bins).argmin(axis=0)]
        out = np.empty((len(bins), self.table.shape[1]), self.table.dtype)
        for number in np.unique(bins):
            rows = np.flatnonzero(bins == number)
            out[rows] = self.sample(len(rows), rng, int(number))
        return out

    def sample(
        self, count: int, rng: np.random.Generator, label: int | None = None, among: Array | None = None
    ) -> Array:
        """Samples condition codes in the data's proportions, each exact to within one row, in random order.

        Args:
            count: Number of rows.
            rng: Source of the sample.
            label: Label bin whose rows alone are sampled; None samples all rows.
            among: Mask ``[M]`` bool of the combinations in ``table`` that may be sampled; None allows all.

        Returns:
            Condition codes ``[count, K]``.
        """
        counts = self.counts if label is None else self.counts * (self.table[:, -1] == label)
        counts = counts if among is None else counts * among
        edges = np.cumsum(counts) / counts.sum()
        positions = (np.arange(count) + rng.random()) / count
        index = np.minimum(np.searchsorted(edges, positions, side="right"), np.flatnonzero(counts)[-1])
        rng.shuffle(index)
        sampled: Array = self.table[index]
        return sampled

    def training_pool(self, terminations: Array, codes: Array) -> Array:
        """Returns the row numbers from which training batches are sampled.

        Classes are equally frequent, and terminal rows have a share of at least ``terminal_oversampling`` in each. A
        class is repeated until it is as large as the largest, or until all classes together have eight times the rows.

        Args:
            terminations: Terminations ``[n]`` of the training rows.
            codes: Condition codes ``[n, K]`` of the training rows.
        """
        if self.label is None or not self.label.classes:
            return self._oversampled(terminations)
        classes = (np.flatnonzero(codes[:, -1] == number) for number in np.unique(codes[:, -1]))
        pools = [rows[self._oversampled(terminations[rows])] for rows in classes]
        wanted = min(max(map(len, pools)), MAX_REPEATS * len(terminations) // len(pools))
        return np.concatenate([np.resize(pool, max(wanted, len(pool))) for pool in pools])

    def held_out(self, codes: Array, share: float, rng: np.random.Generator) -> Array:
        """Chooses the rows of the held-out loss, with equally frequent classes as in training batches.

        Args:
            codes: Condition codes ``[n, K]``.
            share: Share of the rows to hold out, in [0, 1).
            rng: Source of the choice.

        Returns:
            Whether each row is held out, ``[n]`` bool.
        """
        held = np.zeros(len(codes), bool)
        classes = np.unique(codes[:, -1]) if self.label is not None and self.label.classes else np.zeros(1)
        classed = len(classes) > 1 and share * len(codes) >= len(classes)  # too few for one of each class: any rows
        classes = classes if classed else np.zeros(1)
        wanted = int(share * len(codes) / len(classes))
        for number in classes:
            rows = np.flatnonzero(codes[:, -1] == number) if classed else np.arange(len(codes))
            count = min(wanted, int(MAX_HOLDOUT_SHARE * len(rows))) if classed else wanted
            held[rng.choice(rows, count, replace=False)] = True
        return held

    def _oversampled(self, terminations: Array) -> Array:
        """Returns all row numbers, with terminal rows repeated up to a share of ``terminal_oversampling``."""
        count, terminal = len(terminations), np.flatnonzero(terminations)
        share = self.config.terminal_oversampling
        wanted = int(share / (1 - share) * (count - len(terminal)))
        if self.config.discrete != "condition" or not 0 < len(terminal) < wanted:
            return np.arange(count)
        return np.concatenate([np.arange(count), np.resize(terminal, wanted - len(terminal))])

    # -- decoding ---------------------------------------------------------------------------

    def decode(self, codes: Array) -> dict[str, Array]:
        """Decodes codes ``[n, K]`` to columns by name."""
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
        """Returns everything learnt, as named arrays."""
        levels = {f"levels.{name}": values for name, values in self.levels.items()}
        return {"table": self.table, "counts": self.counts} | levels

    def restore(self, arrays: dict[str, Array]) -> None:
        """Replaces everything learnt with a state that :meth:`state` gave."""
        self.table, self.counts = arrays["table"], arrays["counts"]
        self.levels = {name.removeprefix("levels."): a for name, a in arrays.items() if name.startswith("levels.")}
