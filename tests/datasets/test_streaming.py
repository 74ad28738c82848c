"""Large datasets pass through little memory: the peak of a process of its own, as the kernel counts it."""

import json
import os
import subprocess
import sys

import pytest

ROWS, WIDTH = 400_000, 12
SIZE = ROWS * (4 * (2 * WIDTH + 2) + 2) / 1e6  # megabytes of one copy: 42
CHUNKS = 40  # megabytes of a few chunks, whatever the size of the dataset

MEASURE = """
import json, pathlib, sys
import h5py
import numpy as np
from gymnasium import spaces
from synth_replay import Transitions, TransitionSpec
from synth_replay.datasets import create_dataset, open_dataset

ROWS, WIDTH, CHUNK = json.loads(sys.argv[2]), json.loads(sys.argv[3]), 50_000
spec = TransitionSpec(spaces.Box(-np.inf, np.inf, (WIDTH,)), spaces.Box(-1, 1, (1,)))


def peak(work):
    # megabytes above what the process held before
    pathlib.Path("/proc/self/clear_refs").write_text("5")
    before = status("VmRSS")
    result = work()
    return status("VmHWM") - before, result


def status(key):
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(key)) / 1000


def rows(n):
    noise = np.random.default_rng(0).random((n, WIDTH), np.float32)
    return Transitions(noise, noise[:, :1], noise[:, 0], noise, noise[:, 0] > 0.99)


def write(path, part, n):
    with create_dataset(path, spec, n, overwrite=True) as writer:
        for _ in range(n // len(part)):
            writer.write(part)


def stream(path):
    return sum(len(chunk) for chunk in open_dataset(path).chunks(10_000))


def episodes(path):
    # a Minari dataset of long episodes
    path.mkdir(parents=True)
    steps = ROWS // 20
    with h5py.File(path / "main_data.hdf5", "w") as file:
        for i in range(20):
            group = file.create_group(f"episode_{i}")
            group["observations"] = np.zeros((steps + 1, WIDTH), np.float32)
            group["actions"], group["rewards"] = np.zeros((steps, 1), np.float32), np.zeros(steps, np.float32)
            group["terminations"], group["truncations"] = np.arange(steps) == steps - 1, np.zeros(steps, bool)
    metadata = {"data_format": "hdf5", "total_episodes": 20, "total_steps": ROWS}
    (path / "metadata.json").write_text(json.dumps(metadata))


root, part, found = pathlib.Path(sys.argv[1]), rows(CHUNK), {}
for name in ("d.npz", "d.hdf5", "d"):
    write(root / name, part, CHUNK)
    open_dataset(root / name).read()
    found[f"write {name}"], _ = peak(lambda: write(root / name, part, ROWS))
episodes(root / "m" / "data")
for name in ("d.npz", "d.hdf5", "d", "m"):
    found[f"stream {name}"], count = peak(lambda: stream(root / name))
    assert count == ROWS
    found[f"read {name}"], whole = peak(lambda: open_dataset(root / name).read())
    assert len(whole) == ROWS
    del whole
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def peaks(tmp_path_factory):
    command = [sys.executable, "-c", MEASURE, str(tmp_path_factory.mktemp("d")), str(ROWS), str(WIDTH)]
    # freed arrays go back to the kernel at once, so that none can hide a second copy
    strict = {"MALLOC_MMAP_THRESHOLD_": "65536", "ARROW_DEFAULT_MEMORY_POOL": "system"}
    out = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ | strict)
    return json.loads(out.stdout)


@pytest.mark.parametrize("name", ["d.npz", "d.hdf5", "d"])
def test_writing_holds_a_few_chunks(peaks, name):
    assert peaks[f"write {name}"] < CHUNKS < SIZE


@pytest.mark.parametrize("name", ["d.npz", "d.hdf5", "d", "m"])
def test_streaming_holds_a_few_chunks(peaks, name):
    assert peaks[f"stream {name}"] < CHUNKS < SIZE


@pytest.mark.parametrize("name", ["d.npz", "d.hdf5", "d", "m"])
def test_reading_holds_one_copy_and_never_two(peaks, name):
    assert peaks[f"read {name}"] < SIZE + CHUNKS < 2 * SIZE
