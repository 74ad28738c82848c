"""Some rows of each source at each refresh, for the report."""

from __future__ import annotations

from collections.abc import Mapping, Sized
from dataclasses import dataclass

import numpy as np

from synth_replay.buffers.real_rows import Groups, alike
from synth_replay.spaces import Array
from synth_replay.transitions import Transitions

NEWEST_ROWS, OLDER_ROWS = 5_000, 500
MOST = 50


@dataclass(frozen=True, eq=False)
class Snapshot:
    """Some rows of each source after a refresh, in environment units.

    Attributes:
        step: Environment steps until then.
        sizes: Number of all rows of each source.
        rows: Rows by the source's name (:data:`~synth_replay.buffers.SOURCES`); a source without rows is left out.
    """

    step: int
    rows: Mapping[str, Transitions]
    sizes: Mapping[str, int]

    def thinned(self, count: int) -> Snapshot:
        """Returns the snapshot with the first ``count`` rows of each source."""
        return Snapshot(self.step, {name: rows[:count] for name, rows in self.rows.items()}, self.sizes)


class Snapshots:
    """A list of snapshots: the newest with many rows, older ones with few, at most fifty.

    Args:
        seed: Seed of the choice of rows.
    """

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self.held: list[Snapshot] = []

    def add(self, step: int, rows: Mapping[str, Transitions], sizes: Mapping[str, int] | None = None) -> None:
        """Keeps some of the rows, at random; drops every other older snapshot when there are too many.

        Args:
            step: Environment steps until now.
            rows: Rows of the sources.
            sizes: Number of all rows of the sources that ``rows`` has only a part of.
        """
        if self.held:
            self.held[-1] = self.held[-1].thinned(OLDER_ROWS)
        if len(self.held) >= MOST:
            self.held = self.held[::2]
        kept = {name: part[self._chosen(len(part))] for name, part in rows.items()}
        self.held.append(Snapshot(step, kept, {name: len(part) for name, part in rows.items()} | dict(sizes or {})))

    def add_refresh(
        self, step: int, real: Groups, made: Groups, held: Mapping[str, int], stores: Mapping[str, Sized]
    ) -> None:
        """Keeps some of the real and the generated rows of a refresh.

        Args:
            step: Environment steps until now.
            real: Real rows that were read, by source.
            made: Some generated rows of each store, by the store's name.
            held: Number of all real rows of each source.
            stores: The stores.
        """
        names = {name: f"synthetic_{name}".removesuffix("_both") for name in stores}
        rows = alike(real | {names[name]: part for name, part in made.items()})
        self.add(step, rows, {**held, **{names[name]: len(store) for name, store in stores.items()}})

    def _chosen(self, rows: int) -> Array:
        chosen: Array = self._rng.permutation(rows)[:NEWEST_ROWS]
        return chosen
