"""Refreshes in a process of their own: the same rows as in this one, and nothing left behind, however they end."""

from __future__ import annotations

import os
import pickle
import shutil
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import psutil
import pytest
import torch

from synth_replay.buffers import AutoShare, cfdg_engine, synther_engine
from synth_replay.buffers.background import require_picklable
from synth_replay.buffers.engine_state import engine_state, restored_parts
from synth_replay.errors import ConfigError
from tests.buffers.test_engine_state import ONE_STEP, SPACES, update
from tests.conftest import TINY

OPTIONS = {"generator": TINY, "progress": False, "seed": 0, "device": "cpu"}
LONG = replace(TINY, training=replace(TINY.training, steps=10**6, patience=10**6))


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    """Both processes use one thread, as sums in another order differ in the last bit."""
    monkeypatch.setattr("synth_replay.buffers.background.worker_threads", lambda: 1)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def made(make=synther_engine, **options):
    engine = make(*SPACES, **(OPTIONS | {"refresh": "background"} | options))
    engine.notify(300)
    engine.request_refresh()
    return engine


def begun(**options):
    engine = made(**options)
    update(engine, 300)
    assert engine.supply.refreshing
    return engine


def worker(engine):
    return engine.supply._begun[0]


def filled():
    """An engine with generated rows whose next refresh is due, in the background, and never ends by itself."""
    engine = made(refresh="blocking")
    update(engine, 300)
    engine.supply.config = replace(engine.supply.config, refresh="background", steps=10**6)
    engine.supply.generator.config = LONG
    engine.request_refresh()
    return engine


def finish(engine):
    engine.supply.wait()
    update(engine, 300)
    return engine


def children():
    living = [child for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE]
    return [child for child in living if "synth_replay" in " ".join(child.cmdline())]


def stored(engine):
    return {name: store.rows() for name, store in engine.stores.items()}


@pytest.mark.parametrize(
    ("make", "options", "refreshes"),
    [
        (synther_engine, {"validate": 0.1, "refit": "warm"}, 2),
        (synther_engine, {"relevance": "return"}, 1),
        (cfdg_engine, {}, 1),
    ],
)
def test_the_rows_and_figures_are_those_of_a_blocking_refresh_bit_for_bit(make, options, refreshes):
    blocking = made(make, **options, refresh="blocking")
    update(blocking, 300)
    engine = made(make, **options)
    for _ in range(refreshes):
        update(engine, 300)
        assert not engine.stores if not engine.stats.refreshes else engine.stats.refreshes == 1
        finish(engine)
        np.testing.assert_equal(stored(engine), stored(blocking))
        figures = [vars(e.stats) | {"refresh_seconds": 0} for e in (engine, blocking)]
        np.testing.assert_equal(*figures)
        for each in (engine, blocking):
            each.request_refresh()
        update(blocking, 300)
    assert not children() and not engine.supply.refreshing


def test_batches_go_on_with_the_old_rows_until_the_new_ones_are_there():
    engine = filled()
    old = stored(engine)
    for _ in range(5):
        update(engine, 300)
        assert engine.plan(8, real=300).generated == 4
    assert engine.supply.refreshing and len(children()) == 1
    np.testing.assert_equal(stored(engine), old)
    engine.reset()
    assert not children() and not engine.stores and not engine.supply.refreshing


def test_auto_begins_in_the_background_too():
    engine = synther_engine(*SPACES, **OPTIONS, refresh="background", real_ratio=AutoShare(floor=None))
    engine.notify(300)
    while not engine.wanted:
        engine.plan(5_000, real=300)
    update(engine, 300)
    assert finish(engine).stats.refreshes == 1 and engine.plan(1_000, real=300).generated > 0


def test_a_process_that_is_killed_leaves_the_old_rows_and_a_warning():
    engine = filled()
    old = stored(engine)
    update(engine, 300)
    os.kill(worker(engine).pid, signal.SIGKILL)
    with pytest.warns(UserWarning, match="A refit failed: the process .* was killed.*tries again at"):
        finish(engine)
    np.testing.assert_equal(stored(engine), old)
    assert engine.stats.failed_refreshes == 1 and "killed" in engine.stats.last_error and not children()
    engine.supply.config = replace(engine.supply.config, steps=20)
    engine.request_refresh()
    update(engine, 300)
    assert finish(engine).stats.refreshes == 2


def test_a_refresh_that_is_asked_for_while_one_runs_comes_after_it():
    engine = begun()
    engine.request_refresh()
    assert finish(engine).stats.refreshes == 1 and engine.supply.clock.due


def test_a_result_that_cannot_be_read_fails_one_refresh_and_no_batch():
    engine = begun()
    engine.supply.wait()
    shutil.rmtree(worker(engine)._folder)
    with pytest.warns(UserWarning, match="cannot be read: FileNotFoundError"):
        update(engine, 300)
    update(engine, 300)
    assert engine.stats.failed_refreshes == 1 and not engine.supply.refreshing


def test_a_process_that_cannot_be_started_fails_one_refresh_and_no_batch(monkeypatch):
    engine = made()
    monkeypatch.setattr(subprocess, "Popen", refuse)
    with pytest.warns(UserWarning, match="could not be started: .*No space"):
        update(engine, 300)
    update(engine, 300)
    assert engine.stats.failed_refreshes == 1


def refuse(*_, **__):
    raise OSError(28, "No space left on device")


def test_a_fit_that_diverges_in_the_background_warns():
    broken = replace(TINY, training=replace(TINY.training, learning_rate=1e30, steps=200))
    with pytest.warns(UserWarning, match="A refit failed"):
        engine = finish(begun(generator=broken))
    assert engine.stats.failed_refreshes == 1 and not engine.stores


def test_saving_in_the_middle_saves_the_old_rows_and_the_refresh_is_still_due():
    engine = begun()
    again = pickle.loads(pickle.dumps(engine))
    other = made()
    other.take(restored_parts(other, *engine_state(engine)))
    for each in (again, other):
        assert not each.supply.refreshing and not each.stores and each.supply.clock.due
    engine.supply.stop()
    update(again, 300)
    assert finish(again).stats.refreshes == 1 and not children()


def local():
    return lambda rows: rows.rewards


@pytest.mark.parametrize("options", [{"relevance": local()}, {"generator": ONE_STEP}])
def test_a_generator_that_cannot_be_pickled_is_refused_before_any_work(options):
    with pytest.raises(ConfigError, match="refresh='b"):
        made(**options)


def test_a_function_of_the_script_itself_is_named():
    class Held:
        pass

    Held.__module__, Held.__qualname__ = "__main__", "Held"
    sys.modules["__main__"].Held = Held
    try:
        with pytest.raises(ConfigError, match="not the script itself"):
            require_picklable(Held())
    finally:
        del sys.modules["__main__"].Held


@pytest.mark.parametrize("value", ["later", None, True])
def test_an_unknown_mode_is_refused(value):
    with pytest.raises(ConfigError, match="refresh must be 'blocking' or 'background'"):
        made(refresh=value)


def test_the_thread_count_leaves_the_learner_its_own(monkeypatch):
    monkeypatch.undo()
    from synth_replay.buffers.background import worker_threads

    torch.set_num_threads(1)
    assert worker_threads() == max((os.cpu_count() or 1) - 1, 1)
