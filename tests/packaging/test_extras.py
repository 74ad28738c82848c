"""The wheel with each extra alone, in an environment that holds nothing else."""

from __future__ import annotations

import sys
import venv

import pytest

from tests.packaging.helpers import CONSTRAINTS, behind, pip, said

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
# What each of the others is for; procgen-mirror asks for an older numpy than the constraints have
USES = {
    "minari": """
import minari, numpy as np
from gymnasium import spaces
from synth_replay import Transitions, TransitionSpec
from synth_replay.datasets import create_dataset, open_dataset
n = np.zeros((30, 2), np.float32)
rows = Transitions(n, n[:, :1], n[:, 0], n, np.zeros(30, bool), np.arange(30) % 10 == 9)
box = lambda size: spaces.Box(-1, 1, (size,))
with create_dataset("data-v0", TransitionSpec(box(2), box(1)), 30, format="minari") as writer:
    writer.write(rows)
print("used", len(open_dataset("data-v0")))
""",
    "dmc": """
from synth_replay.environments import make_dmc_pixels
env = make_dmc_pixels("cheetah", "run", distraction="easy")
env.reset(seed=0)
print("used", env.step(env.action_space.sample())[0].shape)
""",
    "procgen": """
import gymnasium as gym, synth_replay.environments
env = gym.make("synth_replay/Procgen-coinrun-v0", num_levels=200)
env.reset(seed=0)
print("used", env.step(env.action_space.sample())[0].shape)
""",
}
FIT = """
import numpy as np, gymnasium as gym
from dataclasses import replace
from synth_replay import TransitionGenerator, Transitions
from synth_replay.generator.config import CPU
rng = np.random.default_rng(0)
n = lambda *shape: rng.standard_normal((200, *shape)).astype(np.float32).clip(-1, 1)
config = replace(CPU, training=replace(CPU.training, steps=5, batch_size=32), relabel=replace(CPU.relabel, steps=5))
env = gym.make("Pendulum-v1")
made = TransitionGenerator(env.observation_space, env.action_space, config, seed=0)
made.fit(Transitions(n(3), n(1), n(), n(3), np.zeros(200, bool)), progress=False)
print("rows", len(made.sample(10, progress=False)))
"""


@pytest.mark.slow
def test_the_core_alone_fits_and_names_what_adapters_and_shell_lack(core, tmp_path):
    done = said(core, "-c", FIT, cwd=tmp_path)
    assert "rows 10" in done.stdout, done.stderr
    for extra, module in ADAPTERS.items():
        assert f"pip install 'synth-replay[{extra}]'" in said(core, "-c", f"import {module}", cwd=tmp_path).stderr
    shell = core.with_name("synth-replay")
    helped = said(core, shell, "--help", cwd=tmp_path)
    assert helped.returncode == 0 and "pip install 'synth-replay[cli]'" in helped.stdout
    refused = said(core, shell, "info", "x.npz", cwd=tmp_path)
    assert refused.returncode == 1 and "synth-replay[cli]" in refused.stderr


def python_with(extra, core, wheel, tmp_path, *constraints):
    """An environment with the extra alone, before that of the core."""
    venv.create(tmp_path / "venv", with_pip=False)
    python = tmp_path / "venv" / "bin" / "python"
    behind(python, core)
    pip(python, f"{wheel}[{extra}]", *constraints)
    return python


@pytest.mark.slow
@pytest.mark.parametrize("extra", IMPORTS)
def test_an_extra_alone_is_enough_for_what_it_is_for(extra, core, wheel, tmp_path):
    python = python_with(extra, core, wheel, tmp_path, *CONSTRAINTS)
    done = said(python, "-W", "ignore", "-c", f"import {IMPORTS[extra]}\n{FIT}", cwd=tmp_path)
    assert "rows 10" in done.stdout, done.stderr
    if extra == "cli":
        shell = said(python, "-c", "from synth_replay.cli import run; run()", "--help", cwd=tmp_path)
        assert shell.returncode == 0 and "upsample" in shell.stdout, shell.stderr


@pytest.mark.slow
@pytest.mark.parametrize("extra", USES)
def test_an_extra_for_data_or_simulators_alone_can_use_them(extra, core, wheel, tmp_path):
    if extra in ("dmc", "procgen") and sys.version_info >= (3, 13):
        pytest.skip("labmaze, which dm_control needs, and procgen-mirror have no wheels for this Python")
    python = python_with(extra, core, wheel, tmp_path, *(() if extra == "procgen" else CONSTRAINTS))
    done = said(python, "-W", "ignore", "-c", f"{FIT}\n{USES[extra]}", cwd=tmp_path)
    assert "rows 10" in done.stdout and "used" in done.stdout, done.stderr
