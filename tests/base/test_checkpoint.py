"""A reader of a checkpoint gets one whole version, whatever other processes write."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from synth_replay.checkpoint import load_checkpoint, save_checkpoint


@pytest.mark.skipif(os.name != "posix", reason="Windows has no lock for a folder")
def test_a_save_waits_for_one_that_has_replaced_half_of_its_files(monkeypatch, tmp_path):
    import fcntl

    half, asked = threading.Event(), threading.Event()
    locked, synced = fcntl.flock, os.fsync

    def flock(*given):
        if half.is_set():
            asked.set()
        locked(*given)

    def fsync(handle):
        synced(handle)
        if not half.is_set() and list(tmp_path.glob("*.safetensors")):  # its tensors are in place, its JSON is not
            half.set()
            assert asked.wait(60)

    def save(number):
        save_checkpoint(tmp_path, "generator", {"x": torch.full((10,), float(number))}, {"number": number})

    def save_meanwhile():
        assert half.wait(60)
        save(2)
        asked.set()  # without a lock, this one has removed the other's tensors by now

    monkeypatch.setattr(fcntl, "flock", flock)
    monkeypatch.setattr(os, "fsync", fsync)
    with ThreadPoolExecutor(2) as pool:
        for saving in [pool.submit(save, 1), pool.submit(save_meanwhile)]:
            saving.result()
    tensors, meta = load_checkpoint(tmp_path, "generator")
    assert meta == {"number": 2} and (tensors["x"] == 2).all() and len(list(tmp_path.iterdir())) == 2


@pytest.mark.skipif(os.name != "posix", reason="Windows has no lock for a folder")
def test_a_file_system_without_locks_is_no_error(monkeypatch, tmp_path):
    import fcntl

    def flock(*given):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    save_checkpoint(tmp_path, "generator", {"x": torch.zeros(3)}, {"number": 1})
    assert load_checkpoint(tmp_path, "generator")[1] == {"number": 1}


def test_a_save_removes_only_its_own_leftovers(tmp_path):
    stray, other = tmp_path / ".g.json.synth-replay-partial", tmp_path / ".g2.npz.synth-replay-partial"
    stray.write_text("cut short")
    other.mkdir()
    save_checkpoint(tmp_path, "g", {"x": torch.zeros(3)}, {})
    assert not stray.exists() and other.is_dir()


SAVER = """
import sys, torch
from synth_replay.checkpoint import save_checkpoint
for number in range(100_000):
    save_checkpoint(sys.argv[1], "generator", {"x": torch.full((1000,), float(number))}, {"number": number})
"""


@pytest.mark.slow
def test_five_hundred_loads_beside_two_savers_get_one_whole_version_each(tmp_path):
    save_checkpoint(tmp_path, "generator", {"x": torch.full((1000,), 0.0)}, {"number": 0})
    savers = [subprocess.Popen([sys.executable, "-c", SAVER, str(tmp_path)]) for _ in range(2)]
    try:
        seen = set()
        while len(seen) < 3:  # until both have begun
            seen.add(load_checkpoint(tmp_path, "generator")[1]["number"])
        loads = 0
        while loads < 500 or len(seen) < 20:
            loads += 1
            tensors, meta = load_checkpoint(tmp_path, "generator")
            assert (tensors["x"] == meta["number"]).all()
            seen.add(meta["number"])
    finally:
        assert [saver.poll() for saver in savers] == [None, None]
        for saver in savers:
            saver.kill()
            saver.wait()
    save_checkpoint(tmp_path, "generator", {"x": torch.zeros(1)}, {"number": -1})
    assert len(list(tmp_path.iterdir())) == 2  # leftovers of the killed savers are gone
