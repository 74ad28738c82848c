"""The wheel with each extra alone, in an environment that holds nothing else."""

from __future__ import annotations

import subprocess
import sys
import venv

import pytest

from tests.packaging.test_package import ROOT, wheel_of

ADAPTERS = {"sb3": "synth_replay_sb3", "d3rlpy": "synth_replay_d3rlpy", "torchrl": "synth_replay_torchrl"}
IMPORTS = {
    "sb3": "synth_replay_sb3",
    "d3rlpy": "synth_replay_d3rlpy",
    "torchrl": "synth_replay_torchrl",
    "datasets": "synth_replay.datasets, h5py, pyarrow",
    "report": "synth_replay.report, matplotlib",
    "pixels": "synth_replay.augment.backgrounds, imageio",
    "cli": "synth_replay.cli, tyro",
}
FIT = """
import numpy as np, gymnasium as gym
from dataclasses import replace
from synth_replay import TransitionGenerator, Transitions
from synth_replay.config import CPU
rng = np.random.default_rng(0)
n = lambda *shape: rng.standard_normal((200, *shape)).astype(np.float32).clip(-1, 1)
config = replace(CPU, training=replace(CPU.training, steps=5, batch_size=32), relabel=replace(CPU.relabel, steps=5))
env = gym.make("Pendulum-v1")
made = TransitionGenerator(env.observation_space, env.action_space, config, seed=0)
made.fit(Transitions(n(3), n(1), n(), n(3), np.zeros(200, bool)), progress=False)
print("rows", len(made.sample(10, progress=False)))
"""


def pip(python, *words):
    command = [
        python,
        "-m",
        "pip",
        "install",
        "-q",
        "--disable-pip-version-check",
        "-c",
        ROOT / "constraints.txt",
        *words,
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def said(python, *words, cwd):
    return subprocess.run([python, *words], cwd=cwd, capture_output=True, text=True)


@pytest.fixture(scope="module")
def core(tmp_path_factory):
    """The wheel and what it needs itself."""
    folder = tmp_path_factory.mktemp("core")
    wheel = wheel_of(ROOT, folder)
    venv.create(folder / "venv", with_pip=True)
    python = folder / "venv" / "bin" / "python"
    (torch,) = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if line.startswith("torch==")]
    pip(python, torch)
    pip(python, wheel)
    return folder, wheel, python


@pytest.mark.slow
def test_the_core_alone_fits_and_names_what_adapters_and_shell_lack(core):
    folder, _, python = core
    done = said(python, "-c", FIT, cwd=folder)
    assert "rows 10" in done.stdout, done.stderr
    for extra, module in ADAPTERS.items():
        assert f"pip install 'synth-replay[{extra}]'" in said(python, "-c", f"import {module}", cwd=folder).stderr
    shell = said(python, folder / "venv" / "bin" / "synth-replay", "--help", cwd=folder)
    assert shell.returncode == 0 and "pip install 'synth-replay[cli]'" in shell.stdout
    refused = said(python, folder / "venv" / "bin" / "synth-replay", "info", "x.npz", cwd=folder)
    assert refused.returncode == 1 and "synth-replay[cli]" in refused.stderr


@pytest.mark.slow
@pytest.mark.parametrize("extra", IMPORTS)
def test_an_extra_alone_is_enough_for_what_it_is_for(extra, core, tmp_path):
    folder, wheel, base = core
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    (own,) = (tmp_path / "venv" / "lib").glob("python*/site-packages")
    (behind,) = (folder / "venv" / "lib").glob("python*/site-packages")
    (own / "behind.pth").write_text(f"{behind}\n")
    pip(python, f"{wheel}[{extra}]")
    done = said(python, "-W", "ignore", "-c", f"import {IMPORTS[extra]}\n{FIT}", cwd=tmp_path)
    assert "rows 10" in done.stdout, done.stderr
    if extra == "cli":
        shell = said(python, "-c", "from synth_replay.cli import run; run()", "--help", cwd=tmp_path)
        assert shell.returncode == 0 and "upsample" in shell.stdout, shell.stderr
    assert base != sys.executable
