"""Datasets of frames larger than memory pass through little of it: the peak of a process of its own."""

import json
import subprocess
import sys

import pytest

FRAMES, LENGTH = 100_200, 500  # 200 episodes of 84 px: V-D4RL's size, 2.1 GB of frames
GIGABYTE = 1_000_000  # in kilobytes

MEASURE = """
import json, pathlib, resource, sys
import numpy as np
from synth_replay.datasets.pixels.offline_procgen import write_offline_procgen
from synth_replay.datasets.pixels.formats import open_pixels
from synth_replay.datasets.pixels.episode import PixelEpisode
from synth_replay.datasets.pixels.vd4rl_hdf5 import write_vd4rl_hdf5

root, kind, count, length = pathlib.Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
size = 84 if kind == "vd4rl" else 64
frames = np.zeros((length + 1, 3, size, size), np.uint8)
frames[:] = (np.arange(length + 1) % 256)[:, None, None, None]
actions = np.zeros((length, 6)) if kind == "vd4rl" else np.zeros(length, int)
episode = PixelEpisode(frames, actions, np.arange(length), False)
if kind == "vd4rl":
    path = root / "d.hdf5"
    write_vd4rl_hdf5(path, (episode for _ in range(count)))
else:
    path = root / "coinrun"
    write_offline_procgen(path, [episode])
    (file,) = path.iterdir()
    for number in range(1, count):
        file.with_name(file.name.replace("_0_", f"_{number}_", 1)).hardlink_to(file)
rows, rewards = 0, 0.0
for chunk in open_pixels(path).transitions():
    rows += len(chunk)
    rewards += float(chunk.rewards.sum())
    assert (chunk.next_observations[:, -1, 0, 0] == (chunk.rewards + 1) % 256).all()
status = pathlib.Path("/proc/self/status")  # ru_maxrss also counts what the process that started this one held
found = [line for line in status.read_text().splitlines() if line.startswith("VmHWM")] if status.exists() else []
peak = int(found[0].split()[1]) if found else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"rows": rows, "rewards": rewards, "peak": peak}))
"""


def measured(folder, kind, episodes, length):
    command = [sys.executable, "-c", MEASURE, str(folder), kind, str(episodes), str(length)]
    out = subprocess.run(command, capture_output=True, text=True)
    assert out.returncode == 0, out.stderr
    return json.loads(out.stdout)


@pytest.mark.parametrize(
    ("frames", "limit"), [(35_070, 700_000), pytest.param(FRAMES, GIGABYTE, marks=pytest.mark.slow)]
)
def test_frames_are_written_and_read_within_less_than_their_size(frames, limit, tmp_path):
    episodes = frames // (LENGTH + 1)
    found = measured(tmp_path, "vd4rl", episodes, LENGTH)
    assert found["rows"] == episodes * LENGTH
    assert found["rewards"] == episodes * sum(range(LENGTH))
    assert found["peak"] < limit < frames * 3 * 84 * 84 / 1000


@pytest.mark.slow
def test_procgen_steps_are_read_file_by_file(tmp_path):
    found = measured(tmp_path, "procgen", 100, 999)
    assert found["rows"] == 100 * 999
    assert found["peak"] < GIGABYTE
    assert GIGABYTE < 100 * 1000 * 3 * 64 * 64 / 1000
