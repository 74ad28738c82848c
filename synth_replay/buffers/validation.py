"""How generated rows compare with held-out real ones: what ``validate`` decides by."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

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


def marginal(real: Transitions, generated: Transitions, rng: np.random.Generator) -> float:
    """Returns the mean 1 - KS between generated rows and a sample of real ones, over the generated columns."""
    index = rng.choice(len(real), min(SCORED_ROWS, len(real)), replace=False)
    return float(ks_complement(_numbers(real[index], generated)[0], numeric_columns(generated)[0]).mean())


def _numbers(rows: Transitions, like: Transitions) -> tuple[Array, list[str]]:
    columns = like.leaves().keys()
    return numeric_columns(Transitions.from_leaves({k: v for k, v in rows.leaves().items() if k in columns}))
