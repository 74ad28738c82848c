"""The README's code runs. Only sizes and the placeholder data are replaced."""

import re
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

from synth_replay.cli import main
from synth_replay.datasets import create_dataset
from synth_replay.generator.config import PRESETS
from synth_replay.transitions import TransitionSpec
from tests.conftest import TINY, rollout

TEXT = (Path(__file__).parents[2] / "README.md").read_text()
DOCS = Path(__file__).parents[2] / "docs"
WALKER = gym.make("Walker2d-v5")
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, flags=re.S)


def test_the_one_line_change_runs():
    code = BLOCKS[0]
    assert "replay_buffer_class=SyntheticReplayBuffer" in code
    namespace: dict = {}
    exec(code.replace("learn(50_000)", "learn(102)"), namespace)
    buffer = namespace["model"].replay_buffer
    assert (
        buffer.size() == 102
        and buffer.engine.mixture.rule.ratio == 0.5
        and buffer.engine.refresh_config.every == 10_000
    )


def test_the_offline_snippet_runs(tmp_path, monkeypatch):
    from tests.d3rlpy.helpers import dataset

    monkeypatch.chdir(tmp_path)  # d3rlpy writes its logs there
    monkeypatch.setitem(PRESETS, "cpu", TINY)
    namespace = {"dataset": dataset()}
    exec(BLOCKS[1].replace("n_steps=100_000", "n_steps=10, n_steps_per_epoch=10, show_progress=False"), namespace)
    assert namespace["buffer"].stats.rows == TINY.store_rows and namespace["buffer"].stats.real_share == 0.5


def write_walker(path):
    with create_dataset(path, TransitionSpec(WALKER.observation_space, WALKER.action_space), 300) as writer:
        writer.write(rollout("Walker2d-v5", 300))


def test_the_offline_to_online_snippet_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_walker("walker_medium.hdf5")
    namespace: dict = {}
    exec(BLOCKS[2].replace("100_000", "5"), namespace)
    buffer = namespace["model"].replay_buffer
    assert np.bincount(buffer.last_sources, minlength=4).tolist() == [154, 102, 0, 0]


def test_the_offline_to_online_page_runs(tmp_path, monkeypatch):
    from tests.d3rlpy.helpers import d3rlpy, dataset, small

    monkeypatch.chdir(tmp_path)
    write_walker("walker_medium.hdf5")
    blocks = re.findall(r"```python\n(.*?)```", (DOCS / "offline_to_online.md").read_text(), flags=re.S)
    exec(blocks[0].replace("100_000", "5"), {})
    namespace = {"offline_dataset": dataset("Walker2d-v5", 300), "env": WALKER, "iql": small(d3rlpy.algos.IQLConfig)}
    exec(blocks[1].replace("n_steps=100_000", "n_steps=5, n_steps_per_epoch=5, show_progress=False"), namespace)
    assert namespace["buffer"].dataset.transition_count > 0
    schedule: dict = {"path": "walker_medium.hdf5"}
    exec(blocks[3], schedule)
    assert schedule["settings"]["synthetic_ratio"](25_000) == 0.25


def test_the_shells_options_exist(capsys):
    command = re.search(r"```bash\nsynth-replay (upsample [^\n]*)\n```", TEXT)[1].split()
    assert main([command[0], "--help"]) == 0
    shown = capsys.readouterr().out
    assert all(word in shown for word in command if word.startswith("--"))


def test_the_generator_snippet_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    TINY.save("tiny.yaml")
    rows = rollout("Hopper-v5", 300)
    code = BLOCKS[3].replace('"cpu"', '"tiny.yaml"').replace("100_000", "1_000")
    code = code.replace("data[:1000], data[1000:]", "data[:100], data[100:]")
    code = re.sub(r"data = Transitions\(.*?\)\n", "", code, flags=re.S)
    namespace = {"data": rows}
    exec(code, namespace)
    assert len(namespace["rows"]) == 1_000 and (tmp_path / "hopper-generator" / "generator.json").exists()
    assert np.isfinite(namespace["rows"].rewards).all()


@pytest.mark.parametrize("name", ["demo", "visual", "test", "lint", "docs", "bench", "install"])
def test_every_make_target_exists(name):
    makefile = (Path(__file__).parents[2] / "Makefile").read_text()
    assert re.search(rf"^{name}:", makefile, flags=re.M)
