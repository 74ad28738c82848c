"""The scripts of ``examples/`` run as they are, with small numbers."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path

import gymnasium as gym
import pytest

from synth_replay.datasets import create_dataset
from synth_replay.transitions import TransitionSpec
from synth_replay_visual import ARMS
from synth_replay_visual.config import SIZES
from tests.conftest import TINY, rollout
from tests.environments.helpers import needs_procgen
from tests.visual.helpers import SMALLEST

EXAMPLES = Path(__file__).parents[2] / "examples"
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
    "generate.py": (["--rows", "200", "--env", "Pendulum-v1"], "report.html"),
}


@pytest.mark.slow
@pytest.mark.parametrize("script", SMALL)
def test_a_short_example_runs(script, inputs, tmp_path):
    options, said = SMALL[script]
    data = inputs[:2] if script == "generate.py" else []
    assert said in run(script, *data, *options, "--preset", inputs[3], cwd=tmp_path)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the host library that the script imports
@pytest.mark.parametrize("script", SMALL)
def test_a_script_explains_its_options(script, monkeypatch, capsys):
    monkeypatch.syspath_prepend(EXAMPLES)
    monkeypatch.setattr(sys, "argv", [script, "--help"])
    with pytest.raises(SystemExit) as ended:
        importlib.import_module(script.removesuffix(".py")).main()
    shown = capsys.readouterr().out
    assert ended.value.code == 0
    assert "usage:" in shown and "--preset" in shown and "(default: 0)" in shown and "None" not in shown


def run(script, *words, cwd):
    command = [sys.executable, "-W", "ignore", str(EXAMPLES / script), *words]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def script(monkeypatch, tmp_path, capsys):
    """Runs a script's ``main`` in this process, up to what it refuses; returns what it says of it."""
    monkeypatch.syspath_prepend(EXAMPLES)
    monkeypatch.chdir(tmp_path)

    def refused(name, *words):
        monkeypatch.setattr(sys, "argv", [f"{name}.py", *words])
        with pytest.raises(SystemExit) as ended:
            importlib.import_module(name).main()
        assert ended.value.code == 2
        return capsys.readouterr().err.splitlines()[-1]

    return refused


@pytest.mark.parametrize(
    ("name", "words", "said"),
    [
        ("generate", ["--data", "none.npz"], "none.npz does not exist"),
        ("generate", ["--data", "none.npz", "--rows", "0"], "--rows must be positive"),
        ("generate", ["--data", "none.npz", "--preset", "cup"], "neither a preset (paper, fast, cpu) nor an existing"),
        ("online_sb3", ["--env", "Hoppr-v5"], "argument --env: Environment `Hoppr` doesn't exist"),
        ("online_sb3", ["--env", "CartPole-v1"], "CartPole-v1 has the actions Discrete(2); a Box is needed."),
        ("offline_to_online_sb3", ["--data", "none.npz"], "none.npz does not exist"),
        ("apl_sb3", ["--data", "none.npz", "--env", "CartPole-v1"], "a Box is needed"),
        ("offline_d3rlpy", ["--data", "none.npz"], "none.npz does not exist"),
        ("pex_d3rlpy", ["--data", "none.npz", "--preset", "none.yaml"], "argument --preset: 'none.yaml' is neither"),
        ("distractions", ["--variant", "fixd"], "invalid choice: 'fixd'"),
        ("collect_dataset", ["--steps", "0"], "--steps and --rollout-steps must be at least 100"),
        ("collect_dataset", ["--env", "CartPole-v1"], "the actions Discrete(2): SAC cannot learn it"),
    ],
)
def test_a_mistake_of_the_user_is_one_line(script, name, words, said):
    line = script(name, *words)
    assert f"{name}.py: error: " in line and said in line
    assert not list(Path.cwd().iterdir())


def test_what_a_script_wrote_before_is_found_before_any_work(script):
    Path("generated").mkdir()
    Path("generated/report.html").touch()
    assert "report.html already exists" in script("generate", "--data", "none.npz")
    Path("data").mkdir()
    Path("data/Pendulum-v1-random.npz").touch()
    kinds = ["--env", "Pendulum-v1", "--kinds", "replay", "random"]
    assert "Pendulum-v1-random.npz already exists" in script("collect_dataset", *kinds)
    Path("data/Pendulum-v1-scores.json").write_text('{"steps": 60000, "algo": "SAC", "seed": 1}')
    assert "of another agent" in script("collect_dataset", *kinds[:3], "replay")


def test_an_untrained_policy_is_never_the_medium_one_or_the_expert(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES)
    parts = importlib.import_module("common.collecting")
    kinds = ["replay", "random", "medium", "medium-replay", "expert"]

    def steps(scores, learning_starts=100):
        shots = parts.snapshots_of(kinds, [(200 * number, score, {}) for number, score in enumerate(scores)])
        return {kind: shot[0] for kind, shot in shots.items()}, parts.untrained_kinds(shots, learning_starts)

    learnt = {"random": 0, "medium": 400, "medium-replay": 400, "expert": 600}
    assert steps([10.0, 39.0, 40.0, 100.0, 70.0]) == (learnt, [])
    for scores in ([10.0, 10.0, 5.0], [10.0, 20.0, 5.0]):  # the second is the untrained policy too, and luckier
        assert steps(scores, learning_starts=300)[1] == ["medium", "medium-replay", "expert"]


def test_what_was_not_learnt_does_not_lose_what_was_seen(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(EXAMPLES)
    few = ["--env", "Pendulum-v1", "--steps", "100", "--rollout-steps", "100", "--kinds", "medium", "replay", "random"]
    monkeypatch.setattr(sys, "argv", ["collect_dataset.py", *few, "--out", "."])
    monkeypatch.setattr("common.collecting.EPISODES", 1)
    with pytest.raises(SystemExit):
        importlib.import_module("collect_dataset").main()
    assert "No dataset medium is written: nothing was learnt in 100 steps" in capsys.readouterr().err
    assert {path.name for path in Path().glob("*.npz")} == {"Pendulum-v1-random.npz", "Pendulum-v1-replay.npz"}


def test_a_pipeline_ends_with_the_exit_code_of_the_part_that_failed(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES)
    with pytest.raises(SystemExit) as ended:
        importlib.import_module("visual_generalization").run("-c", "raise SystemExit(3)")
    assert ended.value.code == 3


@pytest.mark.slow
def test_a_collected_dataset_is_learnt_from_offline(inputs, tmp_path):
    kinds = ["replay", "random", "medium", "medium-replay", "expert"]
    small = ["--steps", "1600", "--rollout-steps", "200", "--width", "32", "--batch-size", "64"]
    small += ["--learning-rate", "3e-3"]  # so that it learns something
    run("collect_dataset.py", "--env", "Pendulum-v1", *small, "--kinds", *kinds, "--out", ".", cwd=tmp_path)
    assert sorted(path.name for path in tmp_path.glob("*.npz")) == sorted(f"Pendulum-v1-{kind}.npz" for kind in kinds)
    data = ["--data", "Pendulum-v1-replay.npz", "--env", "Pendulum-v1", "--rows", "300", "--steps", "20"]
    said = run("offline_d3rlpy.py", *data, "--preset", inputs[3], cwd=tmp_path)
    assert "real ratio 1.0: return -" in said and ", 0 generated rows" in said
    assert f", {TINY.store_rows} generated rows" in said


@pytest.mark.slow
def test_the_demo_names_the_pictures_and_tables_that_it_wrote(tmp_path):
    said = run("demo.py", "--steps", "700", "--out", "demo", cwd=tmp_path)
    names = ["learning_curve.png", "marginals.png", "fidelity.md", "fidelity.json"]
    assert all(f"demo/{name}" in said and (tmp_path / "demo" / name).stat().st_size > 100 for name in names)


@pytest.mark.slow
@needs_procgen
@pytest.mark.filterwarnings("ignore")
def test_the_pipeline_on_pixels_ends_in_table_and_pictures(tmp_path, monkeypatch):
    """Its two commands, in this process and with smaller numbers than those of ``smoke``."""
    task = "coinrun"

    def here(*command):
        monkeypatch.setattr(sys, "argv", list(command[command[0] == "-m" :]))
        names = {"synth_replay_visual": "synth_replay_visual.__main__"}
        importlib.import_module(names.get(sys.argv[0], Path(sys.argv[0]).stem)).main()

    monkeypatch.syspath_prepend(EXAMPLES)
    script = importlib.import_module("visual_generalization")
    monkeypatch.setattr(script, "run", here)
    tasks = importlib.import_module("common.pixel_tasks")
    for name in ("GAME_COPIES", "GAME_EPISODES"):
        monkeypatch.setattr(tasks, name, 2)
    monkeypatch.setattr(script, "DATA", {"smoke": {"dmc": (3, "medium-replay", 150), "procgen": (1, "expert", 150)}})
    monkeypatch.setitem(SIZES, "smoke", SMALLEST)
    monkeypatch.setattr(sys, "argv", ["visual_generalization.py", "--task", task, "--out", str(tmp_path / "visual")])
    script.main()
    out = tmp_path / "visual" / f"{task}-smoke"
    assert "G_perf" in (out / "table.md").read_text() and len(list(out.glob("*.png"))) == 3
    assert [found["arm"] for found in json.loads((out / "results.json").read_text())["results"]] == list(ARMS)


@pytest.mark.parametrize("script", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_a_script_is_short(script):
    assert len(script.read_text().splitlines()) <= 60


def test_the_page_of_examples_names_each():
    page = (EXAMPLES.parent / "docs" / "howto" / "examples.md").read_text()
    assert [path.name for path in EXAMPLES.glob("*.py") if f"| `{path.name}` |" not in page] == []
