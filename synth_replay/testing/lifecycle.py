"""Checks of a buffer's life: refreshes, seeds, saving, bad input."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from synth_replay.errors import SynthReplayError
from synth_replay.spaces import Array
from synth_replay.testing.case import ROWS, Case, collected, keys, matches, require
from synth_replay.transitions import Transitions

EVERY = 200


def nothing_is_generated_before_the_first_refresh(case: Case) -> None:
    """Until a generator is fitted, batches hold only real rows."""
    buffer = case.fill(case.refitting(EVERY), EVERY - 1)
    real = case.is_real(buffer, case.sample(buffer, 64))
    require(real.all(), f"{(~real).sum()} of 64 rows are generated, and nothing has been fitted yet")


def refreshes_come_on_time(case: Case) -> None:
    """A refresh comes with the first batch after ``refresh_every`` environment steps, all environments counted."""
    for n_envs in case.harness.env_counts:
        steps = EVERY // n_envs
        buffer = case.refitting(steps * n_envs, n_envs)
        done = []
        for start, more in ((0, steps - 1), (steps - 1, 1), (steps, steps - 1), (2 * steps - 1, 1)):
            case.fill(buffer, more, n_envs, start)
            done += [_refreshes_of(case, buffer), _refreshes_of(case, buffer)]
        expected = [0, 0, 1, 1, 1, 1, 2, 2]
        require(
            done == expected,
            f"{n_envs} environments, refresh_every={steps * n_envs}: {done} refreshes after batches, not {expected}",
        )


def _refreshes_of(case: Case, buffer: Any) -> int:
    case.sample(buffer, 8)
    return case.harness.engine(buffer).stats.refreshes


def the_generator_sees_what_was_added(case: Case) -> None:
    """A fit gets the rows that were added, in environment units; a time limit is not a termination."""
    for n_envs in case.harness.env_counts:
        buffer = case.fill(case.refitting(EVERY, n_envs), ROWS, n_envs)
        fitted = _fitted_rows(case, buffer)
        added = collected(case.env_id, ROWS, n_envs)
        require(
            0.9 * len(added) <= len(fitted) <= len(added),
            f"{n_envs} environments: {len(added)} rows were added, {len(fitted)} are fitted",
        )
        known = matches(_columns(fitted), _columns(added), *_columns(added))
        require(known.all(), f"{n_envs} environments: {(~known).sum()} of {len(fitted)} fitted rows were never added")


def a_full_storage_keeps_the_newest_rows(case: Case) -> None:
    """When the storage is full, the newest rows are fitted, and saving loses nothing."""
    buffer = case.fill(case.refitting(ROWS, capacity=EVERY), ROWS)
    fitted = _columns(_fitted_rows(case, buffer))
    latest = EVERY + EVERY // 10  # some hosts omit an episode's last row
    newest = _columns(collected(case.env_id, ROWS)[-latest:])
    count, known = len(fitted["rewards"]), matches(fitted, newest, *newest)
    require(known.all(), f"{(~known).sum()} of {count} fitted rows are older than the newest {EVERY}")
    require(count >= 0.85 * EVERY, f"{count} rows are fitted where {EVERY} fit into the storage")
    case.harness.save(buffer, case.folder / "full")
    _same_batches(case, buffer, case.harness.load(case.folder / "full"))


def _fitted_rows(case: Case, buffer: Any) -> Transitions:
    """Returns the rows that the generator gets at the next refresh."""
    model, seen = case.harness.engine(buffer).generator, []
    fit = model.fit

    def recorded(rows: Transitions, *args: Any, **kwargs: Any) -> Any:
        seen.append(rows)
        return fit(rows, *args, **kwargs)

    model.fit = recorded  # type: ignore[method-assign, assignment]
    case.sample(buffer, 8)
    del model.fit
    require(seen, "a refresh was due and did not happen in sample")
    return seen[0]


def _columns(rows: Transitions) -> dict[str, Array]:
    """Returns columns for comparisons; next observations after terminations are zero, because some hosts drop them."""
    alive = ~np.asarray(rows.terminations).reshape(-1, 1)
    after = np.asarray(rows.next_observations).reshape(len(rows), -1) * alive
    names = ("observations", "actions", "rewards", "terminations")
    return {name: np.asarray(getattr(rows, name)) for name in names} | {"next_observations": after}


def old_rows_leave_at_a_refresh(case: Case) -> None:
    """After a refresh, no batch holds a generated row from before it."""
    buffer = case.fill(case.refitting(EVERY, real_ratio=0.0), EVERY)
    before = {key for _ in range(8) for key in keys(case.sample(buffer, 64), "observations")}
    case.fill(buffer, EVERY, start=EVERY)
    after = {key for _ in range(8) for key in keys(case.sample(buffer, 64), "observations")}
    require(case.harness.engine(buffer).stats.refreshes == 2, "the second refresh did not happen")
    stale = len(before & after)
    require(not stale, f"{stale} generated rows are older than the last refresh")


def seeds_decide_everything(case: Case) -> None:
    """Equal seeds give equal batches, refits included; another seed gives other generated rows."""
    batches = []
    for seed in (3, 3, 4):
        case.harness.seed(0)
        buffer = case.fill(case.refitting(EVERY, seed=seed), EVERY)
        batches.append([case.sample(buffer, 32) for _ in range(3)][-1])
    for name, column in batches[0].items():
        require(np.array_equal(column, batches[1][name]), f"{name} differ between two runs with the same seeds")
    same = np.array_equal(batches[0]["observations"], batches[2]["observations"])
    require(not same, "the buffer's seed makes no difference")


def saving_loses_nothing(case: Case) -> None:
    """A buffer that was saved and loaded returns the same batches, and refreshes at the same steps."""
    buffer = case.fill(case.refitting(EVERY), EVERY + 20)
    case.sample(buffer, 32)
    path = case.folder / "buffer"
    case.harness.save(buffer, path)
    other = case.harness.load(path)
    for start in (EVERY + 20, 2 * EVERY + 20):
        _same_batches(case, buffer, other)
        figures = [(s.refreshes, s.rows, s.age) for s in (case.harness.engine(one).stats for one in (buffer, other))]
        require(figures[0] == figures[1], f"(refreshes, rows, age) are {figures[0]} and {figures[1]} after loading")
        for one in (buffer, other):
            case.fill(one, EVERY, start=start)


def _same_batches(case: Case, buffer: Any, other: Any) -> None:
    batches = []
    for one in (buffer, other):
        case.harness.seed(1)
        batches.append(case.sample(one, 32))
    for name, column in batches[0].items():
        require(np.array_equal(column, batches[1][name]), f"{name} differ after saving and loading")


def impossible_options_are_refused(case: Case) -> None:
    """Invalid options are refused with a named error when the buffer is created."""
    bad: dict[str, Any] = {"real_ratio": 1.5, "refresh_every": 0, "generator": "no such preset", "store_rows": 0}
    for name, value in bad.items():
        try:
            case.empty(**{name: value})
        except SynthReplayError:
            continue
        except Exception as error:
            raise AssertionError(f"{name}={value!r} raises {error!r}, not an error of synth_replay") from error
        raise AssertionError(f"{name}={value!r} is accepted")


def broken_rows_are_not_learnt(case: Case) -> None:
    """A NaN stops the refresh with a named error, and no real row is lost."""
    buffer = case.fill(case.refitting(EVERY), EVERY)
    row = collected(case.env_id, ROWS)[:1]
    broken = replace(row, observations=np.full_like(row.observations, np.nan))
    before = len(case.harness.storage(buffer)["rewards"])
    try:
        case.harness.add(buffer, broken)
        case.fill(buffer, 20, start=EVERY)
        case.sample(buffer, 8)
    except SynthReplayError:
        kept = len(case.harness.storage(buffer)["rewards"])
        require(kept >= before, f"{before} rows were held, {kept} are left")
        return
    raise AssertionError("a NaN was fitted: check the rows against the generator's spec before a fit")


def too_few_rows_wait(case: Case) -> None:
    """With fewer rows than a fit needs, batches hold only real rows, and no error is raised."""
    buffer = case.fill(case.refitting(10), 40)
    real = case.is_real(buffer, case.sample(buffer, 16))
    require(real.all(), "rows were generated after 40 steps, too few to fit")
    require(case.harness.engine(buffer).stats.refreshes == 0, "a generator was fitted to 40 rows")


CHECKS = (
    nothing_is_generated_before_the_first_refresh,
    refreshes_come_on_time,
    the_generator_sees_what_was_added,
    a_full_storage_keeps_the_newest_rows,
    old_rows_leave_at_a_refresh,
    seeds_decide_everything,
    saving_loses_nothing,
    impossible_options_are_refused,
    broken_rows_are_not_learnt,
    too_few_rows_wait,
)
