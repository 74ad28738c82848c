"""The map between transitions and float32 rows.

A transition is split in two. Its *condition* holds everything that takes one of a few values: categories, terminations,
rewards of a sparse task. Its *row* holds the continuous columns, which the diffusion model generates given the
condition. Conditions are sampled from their empirical joint distribution. A termination that occurs once in a thousand
real rows is therefore generated once in a thousand rows, and the denoiser learns what terminal rows look like. SynthER
(Appendix A) thresholds an unnormalised flag at 0.5 and asks for a cleaner treatment; ``discrete="diffuse"`` is that
original.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from synth_replay.codec.config import CodecConfig
from synth_replay.codec.discrete_columns import Conditions
from synth_replay.codec.labels import LabelEncoder
from synth_replay.codec.normalizers import Affine, Quantile, heavy_tailed
from synth_replay.codec.precision import representable, resolution
from synth_replay.codec.support import Support
from synth_replay.codec.whitening import MAX_COLUMNS, MIN_COLUMNS, PrincipalAxes, delta_columns
from synth_replay.spaces import Array, Leaf, as_matrix, exceeds_bounds, one_hot
from synth_replay.transitions import Transitions, TransitionSpec


@dataclass(frozen=True)
class EncodedRows:
    """Transitions in the form that the diffusion model is trained on.

    Attributes:
        rows: Scaled continuous columns ``[n, D]``, float32.
        codes: Integer codes ``[n, K]`` of the conditions.
        conditions: Conditions and labels ``[n, C]`` as the denoiser sees them, float32.
    """

    rows: Array
    codes: Array
    conditions: Array


@dataclass(frozen=True)
class _Slot:
    """The columns of a row that one leaf occupies."""

    leaf: Leaf
    columns: slice


class TransitionCodec:
    """A fitted map between transitions and pairs of row and condition.

    Args:
        spec: Columns of a transition of this environment.
        config: Encoding settings.
        label: Encoder of the rows' labels, which are the last condition; None without labels.

    Attributes:
        conditions: Map of the discrete part.
        affine: Shift and scale of each continuous column.
        quantiles: Quantile tables of the columns that have one, by column number.
        axes: Principal axes of wide rows, or None.
        unclipped: Names of the leaves whose real values leave their space, so that generated ones are not clipped.
        support: Observed range of the continuous columns.
        deltas: Whether each column of a leaf of the next observations is modelled as s' - s, by leaf name.
    """

    def __init__(self, spec: TransitionSpec, config: CodecConfig, label: LabelEncoder | None = None) -> None:
        self.spec, self.config = spec, config
        self.conditions = Conditions(spec, config, label)
        self.affine: Affine = Affine(np.zeros(0), np.ones(0), np.zeros(0, bool))
        self.quantiles: dict[int, Quantile] = {}
        self.axes: PrincipalAxes | None = None
        self.unclipped: list[str] = []
        self.support = Support.unbounded(0)
        seen = [leaf for leaf in spec.leaves if "observations" in leaf.name and leaf.kind == "continuous"]
        columns = sum(leaf.size for leaf in seen)
        self._wide = config.decorrelate == "auto" and MIN_COLUMNS <= columns <= MAX_COLUMNS
        self._next = [leaf for leaf in seen if leaf.name.startswith("next_")]
        delta = config.next_observations == "delta" or (config.next_observations == "auto" and not self._wide)
        self.deltas = {leaf.name: np.full(leaf.size, delta) for leaf in self._next}

    # -- layout -----------------------------------------------------------------------------

    def _slots(self) -> list[_Slot]:
        """Returns the leaves of the continuous row with their columns."""
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
        """Columns of a row without the constant ones, D."""
        return int(self.affine.varies.sum())

    @property
    def prior_scale(self) -> float:
        """Standard deviation of the row's widest direction, a factor on the sampler's initial noise level."""
        return 1.0 if self.axes is None else float(self.axes.stds.max())

    @property
    def loss_weights(self) -> Array | None:
        """Weights ``[D]`` of the columns in the loss, 1 on average; None where all are equal."""
        return None if self.axes is None else self.axes.loss_weights(np.flatnonzero(self.affine.varies))

    # -- fitting ----------------------------------------------------------------------------

    def fit_transform(
        self, transitions: Transitions, rng: np.random.Generator, labels: Array | None = None
    ) -> EncodedRows:
        """Learns scales, levels and condition frequencies, and encodes the same rows.

        Args:
            transitions: Checked transitions.
            rng: Source of the ranks of repeated values.
            labels: Label values ``[n]``, or None.

        Raises:
            UnsupportedSpaceError: If there are too many categories for a one-hot condition.
        """
        leaves = transitions.leaves()
        codes = self.conditions.fit_transform(leaves, labels)
        self.unclipped = [leaf.name for leaf in self.spec.leaves if exceeds_bounds(leaf, leaves[leaf.name])]
        if self._wide and self.config.next_observations == "auto":
            self.deltas = {leaf.name: delta_columns(leaf, leaves[leaf.name]) for leaf in self._next}
        values = self._gather(leaves)
        self.affine = Affine.from_values(values, self._resolutions(leaves))
        slots = [(slot.leaf, slot.columns) for slot in self._slots()]
        self.support = Support.from_values(values, leaves, slots, self.deltas)
        self._exempt_flags()
        scores = self._scores(values, rng)
        self.axes = self._principal_axes(scores)
        if self.axes is not None:
            scores = self.axes.forward(scores)
        rows = scores[:, self.affine.varies].astype(np.float32)
        return EncodedRows(rows, codes, self.conditions.encode(codes, labels))

    def _resolutions(self, leaves: dict[str, Array]) -> Array:
        """Returns the resolution ``[D']`` of each column, see :func:`resolution`."""
        slots = self._slots()
        sizes = [slot.columns.stop - slot.columns.start for slot in slots]
        return np.repeat([resolution(slot.leaf, leaves[slot.leaf.name]) for slot in slots], sizes)

    def _allowed(self) -> Support:
        """Returns the bounds that the configuration sets for generated values."""
        if self.config.support == "off" or not self.support.values.size:
            return Support.unbounded(len(self.affine.varies))
        return self.support.widened(self.config.support_margin)

    def clip_rewards(self, rewards: Array) -> Array:
        """Clips rewards ``[n]`` to their observed range and its margin, unless ``CodecConfig.support`` is ``off``."""
        bounds = [self._allowed().values[:, s.columns] for s in self._slots() if s.leaf.name == "rewards"]
        return np.clip(rewards, *bounds[0]).astype(rewards.dtype) if bounds else rewards

    def _exempt_flags(self) -> None:
        """Leaves flags and one-hot columns unscaled, as SynthER does with its terminal flag."""
        shift, scale = self.affine.shift.copy(), self.affine.scale.copy()
        for slot in self._slots():
            if slot.leaf.kind == "categorical":
                varies = self.affine.varies[slot.columns]
                shift[slot.columns] = np.where(varies, 0.0, shift[slot.columns])
                scale[slot.columns] = 1.0
        self.affine = replace(self.affine, shift=shift, scale=scale)

    def _scores(self, values: Array, rng: np.random.Generator) -> Array:
        """Builds the quantile tables and returns the scores ``[n, D']`` of all values."""
        self.quantiles = {}
        scores = self.affine.forward(values)
        for slot in self._slots():
            if self.config.normalizer == "zscore" or slot.leaf.kind == "categorical":
                continue
            for column in np.flatnonzero(self.affine.varies[slot.columns]) + slot.columns.start:
                weight = self._quantile_weight(slot.leaf, column - slot.columns.start, scores[:, column])
                if weight:
                    table, scores[:, column] = Quantile.from_values(values[:, column], rng, weight)
                    self.quantiles[int(column)] = table
        return scores

    def _quantile_weight(self, leaf: Leaf, column: int, z_scores: Array) -> float:
        """Returns the weight of the rank-Gaussian score in a column's score; 0 where it is only standardised."""
        if self.config.normalizer == "quantile" or heavy_tailed(z_scores):
            return 1.0
        absolute = leaf.name.startswith(("observations", "actions", "next_actions"))
        absolute |= leaf.name in self.deltas and not self.deltas[leaf.name][column]
        return self.config.quantile_weight if absolute else 0.0

    def _principal_axes(self, scores: Array) -> PrincipalAxes | None:
        """Returns the axes of the continuous columns of wide observations; None where rows are not whitened."""
        slots = [s for s in self._slots() if "observations" in s.leaf.name and s.leaf.kind == "continuous"]
        varying = [np.flatnonzero(self.affine.varies[s.columns]) + s.columns.start for s in slots]
        columns = np.concatenate([np.zeros(0, int), *varying])
        return PrincipalAxes.from_scores(scores, columns) if self._wide and len(columns) > 1 else None

    # -- encoding ---------------------------------------------------------------------------

    def _gather(self, leaves: dict[str, Array]) -> Array:
        """Returns all continuous columns ``[n, D']`` before scaling, float64."""
        slots = self._slots()
        width = slots[-1].columns.stop if slots else 0
        out = np.empty((len(leaves["rewards"]), width), np.float64)
        for leaf, columns in ((s.leaf, s.columns) for s in slots):
            flat = as_matrix(leaves[leaf.name])
            if leaf.kind == "categorical" and leaf.name != "terminations":
                out[:, columns] = one_hot(flat.astype(np.int64) - leaf.low.reshape(-1).astype(int), leaf.categories)
            else:
                np.subtract(flat, self._reference(leaf, leaves), out=out[:, columns], dtype=np.float64)
        return out

    def _reference(self, leaf: Leaf, leaves: dict[str, Array]) -> Array | float:
        """Returns what a row subtracts from a leaf: s ``[n, d]`` where it holds s' - s, otherwise 0."""
        deltas = self.deltas.get(leaf.name)
        if deltas is None or not deltas.any():
            return 0.0
        current = as_matrix(leaves[leaf.name.removeprefix("next_")])
        return current if deltas.all() else np.where(deltas, current, 0.0)

    # -- decoding ---------------------------------------------------------------------------

    def decode(self, rows: Array, codes: Array) -> Transitions:
        """Decodes rows ``[n, D]`` and codes ``[n, K]`` to valid transitions.

        Every value is finite, of its column's dtype, and within the bounds of its space and the range of the real
        values (``CodecConfig.support``). Leaves in ``unclipped`` may leave their space, as the real rows do.
        """
        scores = np.zeros((len(rows), len(self.affine.varies)), np.float64)
        scores[:, self.affine.varies] = rows
        np.nan_to_num(scores, copy=False, posinf=0.0, neginf=0.0)
        if self.axes is not None:
            scores = self.axes.inverse(scores)
        values = self.affine.inverse(scores)
        for column, quantile in self.quantiles.items():
            values[:, column] = quantile.inverse(scores[:, column])
        allowed, leaves = self._allowed(), dict[str, Array]()
        values = np.clip(values, *allowed.coded)
        for slot in self._slots():
            bounds = allowed.values[:, slot.columns]
            leaves[slot.leaf.name] = self._decode_leaf(slot, values[:, slot.columns], leaves, bounds)
        leaves |= self.conditions.decode(codes)
        return Transitions.from_leaves({leaf.name: leaves[leaf.name] for leaf in self.spec.leaves})

    def _decode_leaf(self, slot: _Slot, values: Array, decoded: dict[str, Array], bounds: Array) -> Array:
        leaf = slot.leaf
        shape = (len(values), *leaf.shape)
        if leaf.name == "terminations":
            return values.reshape(-1) > 0.5
        if leaf.kind == "categorical":
            edges = np.cumsum(leaf.categories)[:-1]
            chosen = [block.argmax(axis=1) for block in np.split(values, edges, axis=1)]
            return (np.stack(chosen, axis=1).reshape(shape) + leaf.low).astype(leaf.dtype)
        values = np.clip(values + self._reference(leaf, decoded), *bounds).reshape(shape)
        if leaf.name not in self.unclipped:
            values = np.clip(values, leaf.low, leaf.high)
        values = np.clip(values, *representable(leaf.dtype))
        return (np.rint(values) if leaf.dtype.kind in "iub" else values).astype(leaf.dtype)

    # -- persistence ------------------------------------------------------------------------

    def state(self) -> dict[str, Array]:
        """Returns everything learnt, as named arrays."""
        arrays = {"shift": self.affine.shift, "scale": self.affine.scale, "varies": self.affine.varies}
        arrays |= self.conditions.state()
        if self.axes is not None:
            arrays |= {f"axes.{name}": value for name, value in vars(self.axes).items()}
        arrays |= {f"support.{name}": value for name, value in vars(self.support).items()}
        arrays |= {f"unclipped.{name}": np.ones(1) for name in self.unclipped}
        arrays |= {f"delta.{name}": columns for name, columns in self.deltas.items()}
        for column, quantile in self.quantiles.items():
            arrays |= {f"knots.{column}": quantile.knots, f"scores.{column}": quantile.scores}
        return arrays

    def restore(self, arrays: dict[str, Array]) -> None:
        """Replaces everything learnt with a state that :meth:`state` gave for an equal spec and configuration."""
        self.affine = Affine(arrays["shift"], arrays["scale"], arrays["varies"].astype(bool))
        self.conditions.restore(arrays)
        axes = _named(arrays, "axes")
        self.axes = PrincipalAxes(**axes | {"columns": axes["columns"].astype(int)}) if axes else None
        bounds = _named(arrays, "support")
        self.support = Support(**bounds) if bounds else Support.unbounded(0)
        self.unclipped = list(_named(arrays, "unclipped"))
        self.deltas |= {name: columns.astype(bool) for name, columns in _named(arrays, "delta").items()}
        scores = _named(arrays, "scores")
        self.quantiles = {int(name): Quantile(knots, scores[name]) for name, knots in _named(arrays, "knots").items()}


def _named(arrays: dict[str, Array], kind: str) -> dict[str, Array]:
    """Returns the arrays called ``kind.name``, by ``name``."""
    return {name.removeprefix(f"{kind}."): a for name, a in arrays.items() if name.startswith(f"{kind}.")}
