"""Stores of generated rows: filled at a refresh, drawn from for a batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

import numpy as np

from synth_replay.buffers.generator_kinds import labels_of
from synth_replay.buffers.generators import RowGenerator
from synth_replay.buffers.mixing import SourceCounts
from synth_replay.buffers.real_rows import Groups
from synth_replay.buffers.sources import Mixture, Store
from synth_replay.buffers.store import ColumnStore, HostColumns
from synth_replay.buffers.validation import SCORED_ROWS
from synth_replay.transitions import Transitions

ToHost = Callable[[Transitions], HostColumns]


def generated(
    generator: RowGenerator, wanted: Iterable[tuple[Store, int]], progress: bool | None
) -> Iterator[tuple[str, Transitions]]:
    """Generates the rows of all stores, one store after the other.

    Args:
        generator: A fitted generator. Stores with a label that it does not know are left out.
        wanted: Stores with their numbers of rows.
        progress: Progress bars; None shows them on a terminal.

    Yields:
        The name of a store and its rows in environment units.
    """
    known = labels_of(generator)
    for store, count in wanted:
        if store.label is None or store.label in known:
            yield store.name, generator.sample(count, label=store.label, progress=progress)


def stored(made: Iterable[tuple[str, Transitions]], to_host: ToHost) -> tuple[dict[str, ColumnStore], Groups]:
    """Puts generated rows into stores.

    Args:
        made: Names of the stores and their rows, of :func:`generated`.
        to_host: Function that turns generated rows into the host's own columns.

    Returns:
        The stores by name, and some of the rows of each in environment units, to score them.
    """
    scored: Groups = {}
    stores: dict[str, ColumnStore] = {}
    for name, rows in made:
        stores[name] = ColumnStore(len(rows))
        stores[name].replace(to_host(rows))
        scored[name] = rows[:SCORED_ROWS]
    return stores, scored


def drawn(
    stores: Mapping[str, ColumnStore], mixture: Mixture, counts: SourceCounts, rng: np.random.Generator
) -> HostColumns:
    """Samples the generated rows of a batch with replacement, source by source, in the host's columns."""
    wanted = zip(mixture.drawn_from, counts.counts[mixture.real_sources :], strict=True)
    held = [(stores[store], count) for store, count in wanted if store is not None and count]
    parts = [store.gather(rng.integers(len(store), size=count)) for store, count in held]
    if len(parts) == 1:
        return parts[0]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
