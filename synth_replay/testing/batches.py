"""Checks of the content of a batch."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from synth_replay.buffers.mixing import apportion
from synth_replay.spaces import Array
from synth_replay.testing.case import NAMES, ROWS, Case, keys, matches, require


def counts_are_exact(case: Case) -> None:
    """A batch holds exactly as many real rows as its ratio says, for odd sizes too."""
    for ratio in (0.0, 0.25, 0.5, 0.9):
        buffer = case.filled(real_ratio=ratio)
        for size in (1, 7, 32, 65):
            expected = apportion(size, (ratio, 1 - ratio))[0]
            found = int(case.is_real(buffer, case.sample(buffer, size)).sum())
            require(found == expected, f"real_ratio={ratio}: {found} of {size} rows are real, {expected} should be")


def rows_are_shuffled(case: Case) -> None:
    """Real and generated rows are spread over the whole batch, because hosts split it into smaller ones."""
    buffer = case.filled()
    real = np.stack([case.is_real(buffer, case.sample(buffer, 32)) for _ in range(40)])
    share = real[:, :16].mean()
    require(0.4 < share < 0.6, f"{share:.0%} of the first half of a batch are real, half of them should be")
    require(len({row.tobytes() for row in real}) > 20, "real rows are at the same places of every batch")


def batches_look_like_the_hosts_own(case: Case) -> None:
    """A batch has the columns, dtypes and shapes of the stock buffer's, with generated rows and without."""
    stock = case.sample(case.stock(), 16)
    for ratio in (0.0, 0.5, 1.0):
        same_kind(case.sample(case.filled(real_ratio=ratio), 16), stock, f"real_ratio={ratio}")


def same_kind(batch: Mapping[str, Array], stock: Mapping[str, Array], where: str) -> None:
    """Checks that two batches have equal columns, dtypes and shapes.

    Args:
        batch: Batch of the adapter.
        stock: Batch of the host's own buffer.
        where: Start of the error message.

    Raises:
        AssertionError: If they differ.
    """
    require(set(batch) == set(stock), f"{where}: the columns are {sorted(batch)}, the host's {sorted(stock)}")
    for name, column in stock.items():
        ours, theirs = (batch[name].dtype, batch[name].shape), (column.dtype, column.shape)
        require(ours == theirs, f"{where}: {name} is {ours[0]}{list(ours[1])}, the host's {theirs[0]}{list(theirs[1])}")


def without_generated_rows_it_is_the_hosts_own(case: Case) -> None:
    """With real_ratio=1, batches equal the stock buffer's bit for bit."""
    for n_envs in case.harness.env_counts:
        stock, buffer = case.stock(n_envs=n_envs), case.filled(n_envs=n_envs, real_ratio=1.0)
        theirs, ours = case.harness.draw_alike(stock, buffer, 64)
        for name, column in theirs.items():
            require(np.array_equal(ours[name], column), f"{n_envs} environments: {name} differ from the stock buffer's")


def real_rows_stay_whole(case: Case) -> None:
    """The columns of a real row in a batch come from one stored row."""
    buffer = case.filled()
    held = case.harness.storage(buffer)
    whole = set(keys(held, *NAMES))
    for _ in range(5):
        batch = case.sample(buffer, 64)
        real = case.is_real(buffer, batch)
        torn = [key not in whole for key in np.array(keys(batch, *NAMES), object)[real]]
        require(not any(torn), f"{sum(torn)} of {real.sum()} real rows have columns of different stored rows")


def all_real_rows_can_be_drawn(case: Case) -> None:
    """Real rows come from the whole storage, and no row comes much more often than others."""
    buffer = case.filled()
    held = keys(case.harness.storage(buffer), "observations")
    drawn = [key for _ in range(60) for key in keys(case.sample(buffer, 64), "observations")]
    counts = np.array([drawn.count(key) for key in set(held)])
    missed = float((counts == 0).mean())
    require(missed < 0.05, f"{missed:.0%} of the {len(held)} stored rows are not in any of 60 batches")
    require(counts.max() < 30, f"a stored row was drawn {counts.max()} times, the average is {counts.mean():.0f}")


def generated_rows_vary(case: Case) -> None:
    """Generated rows are drawn from the whole store."""
    buffer = case.filled(real_ratio=0.0)
    drawn = [key for _ in range(10) for key in keys(case.sample(buffer, 64), "observations")]
    require(len(set(drawn)) > 0.4 * len(drawn), f"{len(drawn)} generated rows hold {len(set(drawn))} different ones")


def generated_rows_are_valid(case: Case) -> None:
    """Generated rows hold finite numbers and terminations in {0, 1}."""
    batch = case.sample(case.filled(real_ratio=0.0), 400)
    for name, column in batch.items():
        require(np.isfinite(column.astype(np.float64)).all(), f"generated {name} are not all finite")
    flags = set(np.unique(batch["terminations"]).tolist())
    require(flags <= {0, 1}, f"generated terminations are {sorted(flags)[:5]}, not 0 and 1")


def generated_rows_are_the_generators(case: Case) -> None:
    """Each generated row of a batch is a complete row from the generator, in the host's units."""
    buffer = case.empty(real_ratio=0.0)
    made = case.record_generated(buffer)
    case.fill(buffer, ROWS)
    batch = case.sample(buffer, 100)
    require(len(made) == 1, "the store was not filled from the generator at the first batch")
    stored = case.harness.as_stored(case.env, next(iter(made.values())))
    for names in (*((name,) for name in NAMES), NAMES):
        known = matches(batch, stored, *names)
        what = names[0] if len(names) == 1 else "whole rows"
        require(known.all(), f"{(~known).sum()} of 100 generated {what} are not from the generator: check their units")


def storage_is_left_alone(case: Case) -> None:
    """Sampling does not change the host's storage, with a refresh or without."""
    buffer = case.fill(case.refitting(ROWS), ROWS)
    before = case.harness.storage(buffer)
    for _ in range(5):
        case.sample(buffer, 32)
    require(case.harness.engine(buffer).stats.refreshes == 1, "a refresh was due and did not happen in sample")
    after = case.harness.storage(buffer)
    changed = [name for name in before if not np.array_equal(before[name], after[name])]
    require(not changed, f"sampling changed the host's stored {', '.join(changed)}")


CHECKS = (
    counts_are_exact,
    rows_are_shuffled,
    batches_look_like_the_hosts_own,
    without_generated_rows_it_is_the_hosts_own,
    real_rows_stay_whole,
    all_real_rows_can_be_drawn,
    generated_rows_vary,
    generated_rows_are_valid,
    generated_rows_are_the_generators,
    storage_is_left_alone,
)
