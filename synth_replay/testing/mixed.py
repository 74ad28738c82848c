"""Checks of ``CFGMixedBuffer``: four sources in a batch."""

from __future__ import annotations

from typing import Any

import numpy as np

from synth_replay.buffers.sources import SOURCES
from synth_replay.spaces import Array
from synth_replay.testing.batches import same_kind
from synth_replay.testing.case import ROWS, Case, keys, matches, require
from synth_replay.transitions import Transitions


def sources_are_in_exact_counts(case: Case) -> None:
    """Batches have the paper's plan: equal parts online, offline and synthetic rows, these 8 : 2, shuffled."""
    buffer, expected, first = case.mixed(), [30, 30, 24, 6], np.zeros(4)
    made = case.record_generated(buffer)
    case.fill(buffer, ROWS)
    for _ in range(10):
        batch = case.sample(buffer, 90)
        found = np.bincount(buffer.last_sources, minlength=4).tolist()
        require(found == expected, f"{dict(zip(SOURCES, found, strict=True))}, not {expected} of 90 rows")
        _sources_are_true(case, buffer, batch, made)
        first += np.bincount(buffer.last_sources[:45], minlength=4)
    shares = first / (10 * np.array(expected))
    require((abs(shares - 0.5) < 0.25).all(), f"not shuffled: {shares} of each source are in a batch's first half")


def _sources_are_true(case: Case, buffer: Any, batch: Any, made: dict[Any, Transitions]) -> None:
    online, offline = case.is_real(buffer, batch), _is_offline(case, batch)
    sources = np.asarray(buffer.last_sources)
    for name, mask in {"online": online, "offline": offline}.items():
        listed = sources == SOURCES.index(name)
        require(np.array_equal(listed, mask), f"last_sources says {listed.sum()} rows are {name}, {mask.sum()} are")
    for label, rows in made.items():
        listed = sources == SOURCES.index(f"synthetic_{label}")
        known = matches(batch, {"observations": np.asarray(rows.observations)}, "observations")
        wrong = (~known[listed]).sum()
        require(not wrong, f"last_sources says that {wrong} rows are generated as {label}, but they are not")


def _is_offline(case: Case, batch: Any) -> Array:
    held = set(keys({"observations": np.asarray(case.offline.observations)}, "observations"))
    return np.array([key in held for key in keys(batch, "observations")], bool)


def before_the_first_step_all_is_offline(case: Case) -> None:
    """Before the first online step, batches hold only offline rows, so that an agent can start from offline data."""
    batch = case.sample(case.mixed(generation="none"), 32)
    require(_is_offline(case, batch).all(), "rows that are not of the offline dataset, before the first step")


def mixed_batches_look_like_the_hosts_own(case: Case) -> None:
    """Batches of any mixture have the columns, dtypes and shapes of the stock buffer's."""
    stock = case.sample(case.stock(), 18)
    empty = case.mixed(generation="none")
    same_kind(case.sample(empty, 18), stock, "offline rows alone")
    same_kind(case.sample(case.fill(case.mixed(), ROWS), 18), stock, "all four sources")


def mixed_saving_loses_nothing(case: Case) -> None:
    """After saving and loading, the next batch has the same rows from the same sources."""
    buffer = case.fill(case.mixed(), ROWS)
    case.sample(buffer, 30)
    path = case.folder / "mixed"
    case.harness.save(buffer, path)
    batches, sources = [], []
    for one in (buffer, case.harness.load(path)):
        case.harness.seed(1)
        batches.append(case.sample(one, 30))
        sources.append(one.last_sources)
    require(np.array_equal(*sources), "the sources differ after saving and loading")
    for name, column in batches[0].items():
        require(np.array_equal(column, batches[1][name]), f"{name} differ after saving and loading")


CHECKS = (
    sources_are_in_exact_counts,
    before_the_first_step_all_is_offline,
    mixed_batches_look_like_the_hosts_own,
    mixed_saving_loses_nothing,
)
