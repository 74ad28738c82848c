"""Comparable samples of real and generated rows of a mixed buffer."""

from __future__ import annotations

import numpy as np

from synth_replay.buffers.snapshots import Snapshot
from synth_replay.errors import InvalidTransitionsError
from synth_replay.transitions import Transitions

KINDS = ("online", "offline")


def comparable_kinds(snapshot: Snapshot) -> tuple[Transitions, Transitions]:
    """Selects real and generated rows with equal proportions of online and offline rows.

    If each kind is generated with its own label, both sides have the same number of rows of each kind. If one model
    without labels generates both kinds, real rows have the proportions that it was fitted on.

    Raises:
        InvalidTransitionsError: If there is no kind with both real and generated rows.
    """
    rows = snapshot.rows
    if "synthetic" in rows:
        return _in_proportion(snapshot), rows["synthetic"]
    both = [name for name in KINDS if name in rows and f"synthetic_{name}" in rows]
    counts = {name: min(len(rows[name]), len(rows[f"synthetic_{name}"])) for name in both}
    if not sum(counts.values()):
        raise InvalidTransitionsError("The last refresh generated no rows of a kind that there are real rows of.")
    real = Transitions.concatenate([rows[name][:count] for name, count in counts.items()])
    return real, Transitions.concatenate([rows[f"synthetic_{name}"][:count] for name, count in counts.items()])


def _in_proportion(snapshot: Snapshot) -> Transitions:
    """Selects as many real rows as possible in the proportions of the whole data."""
    names = [name for name in KINDS if name in snapshot.rows]
    sizes = np.array([snapshot.sizes[name] for name in names], float)
    held = np.array([len(snapshot.rows[name]) for name in names], float)
    scale = float((held / sizes).min())
    counts = np.maximum((scale * sizes).astype(int), 1)
    return Transitions.concatenate([snapshot.rows[name][: int(n)] for name, n in zip(names, counts, strict=True)])
