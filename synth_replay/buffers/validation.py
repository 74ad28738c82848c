"""How generated rows compare with held-out real ones: what ``validate`` decides by."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from synth_replay.buffers.real_rows import Groups, Split, named
from synth_replay.evaluation.fidelity import ks_complement, numeric_columns
from synth_replay.spaces import Array
from synth_replay.transitions import Transitions

HOLDOUT_SHARE = 0.1
SCORED_ROWS = 5_000


@dataclass(frozen=True)
class Fidelity:
    """Fidelity of generated rows to real rows that were not fitted.

    Attributes:
        marginal: Mean over columns of 1 - KS.
        reference: Mean 1 - KS of fitted real rows in the generated ones' place; even these do not reach 1.
        worst: The column in which generated rows fall furthest below real ones.
    """

    marginal: float
    reference: float
    worst: str

    @property
    def ratio(self) -> float:
        """Marginal as a share of what real rows reach."""
        return self.marginal / self.reference

    def __str__(self) -> str:
        return (
            f"their marginals match held-out rows at {self.marginal:.3f}, fitted real rows at {self.reference:.3f} "
            f"(ratio {self.ratio:.3f}); the worst column is {self.worst}"
        )


class FidelityGate:
    """Keeps generated rows out of the batches while they are less like real rows than a floor asks.

    Args:
        floor: Smallest share of real rows' own fidelity; None never checks.
        held_out: Whether to compare with real rows that are kept out of the fit. False compares with halves of the
            fitted rows, which costs none of them.
    """

    def __init__(self, floor: float | None, held_out: bool) -> None:
        self.floor, self.held_out = floor, held_out
        self.closed, self.ratio = False, float("nan")

    def split(self, rows: Transitions, rng: np.random.Generator) -> tuple[Transitions, Transitions]:
        """Returns the rows to fit, and the rows to hold out."""
        return (rows, rows[:0]) if self.floor is None or not self.held_out else hold_out(rows, rng)

    def judge(self, split: Split, made: Groups, like: Mapping[str, Sequence[str]], rng: np.random.Generator) -> None:
        """Compares generated rows with real ones, and closes or opens; warns if it closes.

        Args:
            split: Rows of :meth:`split`, by source.
            made: Generated rows by store.
            like: Sources whose rows those of a store resemble.
            rng: Source of the choice of rows.
        """
        if self.floor is None or not split:
            return
        if not self.held_out:
            split = {name: _halves(rows, rng) for name, (rows, _) in split.items()}
        fitted, held = ({name: parts[i] for name, parts in split.items()} for i in (0, 1))
        scored = ((named(held, like[name]), named(fitted, like[name]), rows) for name, rows in made.items())
        worst = worst_fidelity(scored, rng)
        if worst is None:
            return
        self.closed, self.ratio = worst.ratio < self.floor, worst.ratio
        if self.closed:
            floor = f"validate={self.floor}" if self.held_out else f"{self.floor}"
            warnings.warn(
                f"Generated rows are kept out of training (real ratio 1) until the next refresh: {worst}. "
                f"The floor is {floor}; more real rows or more training steps may help.",
                stacklevel=6,
            )


def _halves(rows: Transitions, rng: np.random.Generator) -> tuple[Transitions, Transitions]:
    order = rng.permutation(len(rows))
    return rows[order[len(rows) // 2 :]], rows[order[: len(rows) // 2][:SCORED_ROWS]]


def hold_out(rows: Transitions, rng: np.random.Generator) -> tuple[Transitions, Transitions]:
    """Returns rows to fit, and a tenth of them (5,000 at most) to hold out."""
    order = rng.permutation(len(rows))
    count = min(int(HOLDOUT_SHARE * len(rows)), SCORED_ROWS)
    return rows[np.sort(order[count:])], rows[order[:count]]


def compare(holdout: Transitions, fitted: Transitions, generated: Transitions, rng: np.random.Generator) -> Fidelity:
    """Scores generated rows, and as many fitted ones, against held-out rows."""
    real, names = _numbers(holdout, generated)
    fake = numeric_columns(generated)[0]
    index = rng.choice(len(fitted), min(len(fitted), len(fake)), replace=False)
    like, _ = _numbers(fitted[index], generated)
    marginals, references = ks_complement(real, fake), ks_complement(real, like)
    worst = names[int(np.argmin(marginals - references))]
    return Fidelity(float(marginals.mean()), float(references.mean()), worst)


def worst_fidelity(
    scored: Iterable[tuple[Transitions, Transitions, Transitions]], rng: np.random.Generator
) -> Fidelity | None:
    """Returns the score of the store that falls furthest below real rows; None if there is nothing to compare with.

    Args:
        scored: Held-out, fitted and generated rows of each store.
        rng: Source of the choice of fitted rows.
    """
    found = [compare(*rows, rng) for rows in scored if len(rows[0]) and len(rows[1])]
    return min(found, key=lambda fidelity: fidelity.ratio) if found else None


def worst_marginal(groups: Groups, made: Groups, like: Mapping[str, Sequence[str]], rng: np.random.Generator) -> float:
    """Returns the lowest marginal of all stores: the mean 1 - KS over the columns, between generated and real rows.

    Args:
        groups: Real rows by source.
        made: Generated rows by store.
        like: Sources whose rows those of a store resemble.
        rng: Source of the choice of real rows.
    """
    return min(_marginal(named(groups, like[name]), rows, rng) for name, rows in made.items())


def _marginal(real: Transitions, generated: Transitions, rng: np.random.Generator) -> float:
    index = rng.choice(len(real), min(SCORED_ROWS, len(real)), replace=False)
    return float(ks_complement(_numbers(real[index], generated)[0], numeric_columns(generated)[0]).mean())


def _numbers(rows: Transitions, like: Transitions) -> tuple[Array, list[str]]:
    columns = like.leaves().keys()
    return numeric_columns(Transitions.from_leaves({k: v for k, v in rows.leaves().items() if k in columns}))
