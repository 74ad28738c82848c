"""The scripts of ``examples/`` run as they are, with small numbers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import gymnasium as gym
import pytest

from synth_replay.datasets import create_dataset
from synth_replay.transitions import TransitionSpec
from tests.conftest import TINY, rollout
from tests.environments.helpers import needs_procgen

EXAMPLES = Path(__file__).parent.parent / "examples"
SCRIPTS = {
    "offline_to_online_d3rlpy.py": "1 refreshes",
    "offline_to_online_sb3.py": "1 refreshes",
    "pex_d3rlpy.py": "the fresh policy acted",
    "apl_sb3.py": "after 260 online steps",
}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("examples")
    env = gym.make("Pendulum-v1")
    with create_dataset(folder / "data.npz", TransitionSpec(env.observation_space, env.action_space), 600) as writer:
        writer.write(rollout("Pendulum-v1"))
    TINY.save(folder / "tiny.yaml")
    return ["--data", str(folder / "data.npz"), "--preset", str(folder / "tiny.yaml"), "--env", "Pendulum-v1"]


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS)
def test_an_offline_to_online_example_runs(script, inputs, tmp_path):
    small = ["--offline-steps", "50", "--online-steps", "260", "--refresh-every", "200"]
    command = [sys.executable, str(EXAMPLES / script), *inputs, *small]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert SCRIPTS[script] in done.stdout
    assert not list(tmp_path.iterdir())  # nothing is left behind


SMALL = {
    "online_sb3.py": (["--steps", "220", "--updates", "1", "--refresh-every", "150"], "refreshes=1"),
    "plain_loop.py": (["--steps", "600"], "return of the last episodes"),
    "sac_torchrl.py": (["--frames", "200", "--refresh-every", "150"], "'synth/refreshes': 1.0"),
    "generate.py": (["--rows", "200"], "report.html"),
}


@pytest.mark.slow
@pytest.mark.parametrize("script", SMALL)
def test_a_short_example_runs_and_explains_its_options(script, inputs, tmp_path):
    options, said = SMALL[script]
    data = inputs[:2] if script == "generate.py" else []
    command = [sys.executable, "-W", "ignore", str(EXAMPLES / script)]
    words = [*command, *data, *options, "--generator", inputs[3]]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert said in done.stdout
    shown = subprocess.run([*command, "--help"], capture_output=True, text=True, check=True).stdout
    assert "usage:" in shown and "--generator" in shown


def run(script, *words, cwd):
    command = [sys.executable, "-W", "ignore", str(EXAMPLES / script), *words]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_a_collected_dataset_is_learnt_from_offline(inputs, tmp_path):
    kinds = ["replay", "random", "medium", "medium-replay", "expert"]
    small = ["--steps", "400", "--rollout-steps", "200", "--width", "16", "--batch-size", "16"]
    run("collect_dataset.py", "--env", "Pendulum-v1", *small, "--kinds", *kinds, "--out", ".", cwd=tmp_path)
    assert sorted(path.name for path in tmp_path.glob("*.npz")) == sorted(f"Pendulum-v1-{kind}.npz" for kind in kinds)
    data = ["--data", "Pendulum-v1-replay.npz", "--env", "Pendulum-v1", "--rows", "300", "--steps", "20"]
    said = run("offline_d3rlpy.py", *data, "--generator", inputs[3], cwd=tmp_path)
    assert "real ratio 1.0: return -" in said and ", 0 generated rows" in said
    assert f", {TINY.store_rows} generated rows" in said


@pytest.mark.slow
def test_the_demo_names_the_pictures_and_tables_that_it_wrote(tmp_path):
    said = run("demo.py", "--steps", "2500", "--out", "demo", cwd=tmp_path)
    names = ["learning_curve.png", "marginals.png", "fidelity.md", "fidelity.json"]
    assert all(f"demo/{name}" in said and (tmp_path / "demo" / name).stat().st_size > 100 for name in names)


@needs_procgen
@pytest.mark.slow
def test_the_pipeline_on_pixels_ends_in_table_and_pictures(tmp_path):
    run("visual_generalization.py", "--task", "coinrun", "--out", "visual", cwd=tmp_path)
    out = tmp_path / "visual" / "coinrun-smoke"
    assert "G_perf" in (out / "table.md").read_text() and len(list(out.glob("*.png"))) == 3


@pytest.mark.parametrize("script", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_a_script_is_short(script):
    assert len(script.read_text().splitlines()) <= 60


def test_the_page_of_examples_names_each():
    page = (EXAMPLES.parent / "docs" / "howto" / "examples.md").read_text()
    assert [path.name for path in EXAMPLES.glob("*.py") if f"| `{path.name}` |" not in page] == []
