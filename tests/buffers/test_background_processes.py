"""Processes of background refreshes: none is left behind, however a script or a refresh ends."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from tests.buffers.test_background import (  # noqa: F401 - one_thread is a fixture
    LONG,
    begun,
    children,
    finish,
    one_thread,
    stored,
    update,
    worker,
)

MANY = int(os.environ.get("BACKGROUND_TESTS", "1"))  # 50 for 200 refreshes and 100 kills


def test_modules_of_the_current_folder_are_not_taken_by_chance(tmp_path, monkeypatch):
    (tmp_path / "queue.py").write_text("raise RuntimeError('not the library')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    assert finish(begun()).stats.refreshes == 1


def test_a_fork_of_the_script_leaves_the_refresh_alone():
    engine = begun()
    if not (child := os.fork()):
        del engine
        gc.collect()
        os._exit(0)
    os.waitpid(child, 0)
    assert finish(engine).stats.refreshes == 1


def test_a_deleted_engine_leaves_no_process_and_no_file():
    engine = begun(generator=LONG)
    folder, pid = worker(engine)._folder, worker(engine).pid
    assert folder.exists() and folder.stat().st_mode & 0o077 == 0
    del engine
    gc.collect()
    assert not folder.exists() and not psutil.pid_exists(pid)


SCRIPT = """
import os, signal, sys, time
from tests.buffers.test_background import LONG, begun, worker
engine = begun(generator=LONG)
print(worker(engine).pid, worker(engine)._folder, flush=True)
{end}
"""


@pytest.mark.parametrize("end", ["", "os.kill(os.getpid(), 9)", "os.kill(os.getpid(), 2)"])
def test_whatever_ends_the_script_ends_the_refresh_and_removes_its_files(end):
    """The script has no ``if __name__ == "__main__"``."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(SCRIPT).format(end=end)], capture_output=True, text=True
    )
    pid, folder = done.stdout.split()
    for _ in range(200):
        if not psutil.pid_exists(int(pid)) and not Path(folder).exists():
            break
        time.sleep(0.1)
    assert not psutil.pid_exists(int(pid)) and not Path(folder).exists()


@pytest.mark.slow
def test_many_refreshes_leave_no_threads_files_or_memory():
    engine = finish(begun())
    process, seen = psutil.Process(), []
    for number in range(4 * MANY):
        engine.request_refresh()
        update(engine, 300)
        finish(engine)
        if number in (MANY, 4 * MANY - 1):
            gc.collect()
            seen.append((process.num_threads(), process.num_fds(), process.memory_info().rss))
    assert engine.stats.refreshes == 4 * MANY + 1 and not children()
    assert seen[1][0] <= seen[0][0] and seen[1][1] <= seen[0][1] and seen[1][2] < seen[0][2] + 30e6


@pytest.mark.slow
def test_kills_at_random_moments_lose_nothing():
    engine, rng = finish(begun()), np.random.default_rng(0)
    old, failed = stored(engine), 0
    for _ in range(2 * MANY):
        engine.request_refresh()
        update(engine, 300)
        time.sleep(rng.uniform(0, 4))
        os.kill(worker(engine).pid, signal.SIGKILL)
        before = engine.stats.refreshes
        try:
            with pytest.warns(UserWarning, match="was killed"):
                finish(engine)
            failed += 1
            np.testing.assert_equal(stored(engine), old)
        except pytest.fail.Exception:
            assert engine.stats.refreshes == before + 1
            old = stored(engine)
        assert not children()
    assert failed <= 2 * MANY and engine.stats.failed_refreshes == failed
