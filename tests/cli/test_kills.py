"""A power cut at any moment loses nothing and leaves nothing behind once the command has run again."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from synth_replay.diffusion.config import TrainingConfig
from tests.cli.helpers import write_npz, write_preset

SMALL = TrainingConfig(steps=20, batch_size=64, eval_every=10)
QUICK = ["--seed", "3", "--quiet", "--device", "cpu"]


def killed(folder, out, last, *command):
    arguments = [str(argument) for argument in (folder, out, last, *command)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.cli.kills", *arguments],
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["faults"] == []
    return found["kills"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["o.npz", "o.hdf5", "o", "generator"])
def test_a_command_killed_before_any_change_of_a_name_ends_well_when_repeated(name, tmp_path):
    (folder := tmp_path / "work").mkdir()
    data = write_npz(tmp_path / "in.npz")
    preset = write_preset(tmp_path, training=SMALL)
    (folder / f"{name}.partial").mkdir()
    (folder / f"{name}.partial" / "thesis.txt").write_text("precious")
    rows = ["--num-samples", 90, "--shard-rows", 30] if name != "generator" else []
    command = ["fit" if name == "generator" else "upsample", data, "--out", folder / name, "--preset", preset]
    kills = killed(folder, folder / name, 2, *command, *rows, *QUICK)
    assert kills == 2
    assert (folder / f"{name}.partial" / "thesis.txt").read_text() == "precious"
