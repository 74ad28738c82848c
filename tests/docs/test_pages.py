"""The code of the pages runs. Only sizes and the placeholder data are replaced."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import yaml

import synth_replay
from synth_replay import TransitionGenerator
from synth_replay.cli import main
from synth_replay.datasets import create_dataset
from synth_replay.generator import ForwardConfig, OneStepConfig, relevance
from synth_replay.generator.config import PRESETS, GeneratorConfig
from synth_replay.transitions import TransitionSpec
from tests.conftest import TINY, rollout

DOCS = Path(__file__).parents[2] / "docs"
QUIET = "n_steps=10, n_steps_per_epoch=10, show_progress=False"
HOPPER = gym.make("Hopper-v5")


def blocks(page):
    return re.findall(r"```python\n(.*?)```", (DOCS / f"{page}.md").read_text(), flags=re.S)


def run(page, index, namespace=None, **replaced):
    """Executes one block; ``replaced`` are words of its text, with an underscore before numbers."""
    code = blocks(page)[index]
    for old, new in replaced.items():
        old = old.removeprefix("_")
        assert old in code, f"{page}, block {index} has no {old}"
        code = code.replace(old, str(new))
    namespace = {} if namespace is None else namespace
    exec(code, namespace)
    return namespace


@pytest.fixture(autouse=True)
def somewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(PRESETS, "cpu", TINY)


def hopper(count=300):
    return rollout("Hopper-v5", count)


def step(rows):
    names = ("observations", "actions", "rewards", "next_observations", "terminations", "truncations")
    values = {name: getattr(rows, name)[0] for name in names}
    short = ("observation", "action", "reward", "next_observation", "terminated", "truncated")
    return dict(zip(short, values.values(), strict=True))


def test_getting_started_with_sb3():
    found = run("quickstart", 0, _50_000=101)
    run("quickstart", 1, found, _50_000=103)
    assert found["model"].replay_buffer.stats.refreshes == 0
    run("quickstart", 2, found | {"data": hopper()}, _100_000=2)
    assert found["model"].replay_buffer.stats.refreshes == 1


def test_getting_started_with_d3rlpy():
    from tests.d3rlpy.helpers import dataset

    found = run("quickstart", 3, {"dataset": dataset()}, **{"n_steps=100_000": QUIET})
    assert found["buffer"].stats.real_share == 0.5


def test_getting_started_with_torchrl():
    found = run("quickstart", 4, _1_000_000=500)
    assert (found["batch"]["index"] == -1).sum() == 128 and found["buffer"].stats()["size"] == 400


def test_the_generator_by_itself_and_a_loop_of_ones_own():
    code = re.sub(r"data = Transitions\(.*?\)\n", "", blocks("quickstart")[5])
    code = code.replace("100_000", "500").replace("1000", "100")
    namespace = {"data": hopper(), "env": HOPPER}
    exec(code, namespace)
    assert len(namespace["rows"]) == 500
    found = run("quickstart", 6, {"env": HOPPER, **step(hopper())})
    assert found["batch"]["rewards"].shape == (256,)


def test_the_offline_page(monkeypatch):
    from tests.d3rlpy.helpers import dataset

    found = run("offline", 0, {"dataset": dataset()}, **{"n_steps=100_000": QUIET})
    assert found["buffer"].stats.rows
    with create_dataset("my_dataset.hdf5", TransitionSpec(HOPPER.observation_space, HOPPER.action_space), 300) as out:
        out.write(hopper())
    Path("my_dataset_1M").symlink_to("my_dataset.hdf5")
    run("offline", 1, **{"n_steps=100_000": QUIET})
    assert len(run("offline", 2)["rows"]) == 300 and Path("copy.npz").exists()
    assert len(run("offline", 3)["table"].read()) == 6
    Path("task_of_the_page.py").write_text(blocks("offline")[4])  # run("offline", 4): a function of a module
    monkeypatch.syspath_prepend(Path.cwd())
    assert importlib.import_module("task_of_the_page").config.relabel.function == "task_of_the_page:task"


def test_the_rest_of_the_page_on_offline_to_online():
    rows, spaces_ = hopper(), TransitionSpec(HOPPER.observation_space, HOPPER.action_space)
    with create_dataset("hopper-medium.npz", spaces_, len(rows)) as out:
        out.write(rows)
    found = run("offline_to_online", 2, {"env": HOPPER, **step(rows)}, _1_000_000=500)
    buffer = found["buffer"]
    assert buffer.last_sources.shape == (256,)
    buffer.engine.request_refresh()
    buffer.sample(30)
    run("offline_to_online", 4, found)
    assert "<html" in Path("sources.html").read_text()[:500]
    labels = {"policy_of_row": np.array(["expert", "random"])[np.arange(300) % 2], "return_of_row": np.arange(300)}
    generator = TransitionGenerator(HOPPER.observation_space, HOPPER.action_space, TINY, seed=0)
    names = {"generator": generator, "rows": rows, **labels}
    run("offline_to_online", 5, names, _10_000=100, **{"3_000.0": "30.0"})


def test_learning_online():
    found = run("howto/online", 0, _50_000=105, _10_000=1_000, **{"gradient_steps=10": "gradient_steps=1"})
    assert found["model"].replay_buffer.size() == 105


def test_alternatives_to_generated_rows():
    found = run("howto/online", 1, _1_000=130, **{"every=600": "every=100"})
    assert found["model"].critic.qf0[1].normalized_shape == (256,)


def test_generating_rows_of_high_relevance(monkeypatch):
    monkeypatch.setattr(relevance, "FORWARD", ForwardConfig(members=1, width=16, steps=20))
    found = run("howto/online", 2, _10_000=130, _5_000=120)
    buffer = found["model"].replay_buffer
    assert buffer.engine.generator.relevance.top == 0.1 and buffer.stats.relevance_asked > buffer.stats.relevance


def test_one_step_model_rollouts():
    from tests.d3rlpy.helpers import dataset

    small = OneStepConfig(forward=ForwardConfig(steps=20), rewards=TINY.relabel, store_rows=200)
    found = run("howto/online", 3, {"SMALL": small}, _2_000=130, **{"1_000}": "120}", '"one_step_model"': "SMALL"})
    assert found["model"].replay_buffer.stats.refreshes == 1
    names = {"SMALL": small, "dataset": dataset()}
    found = run("howto/online", 4, names, **{"n_steps=100_000": QUIET, '"one_step_model"': "SMALL"})
    assert found["buffer"].stats.rows == 200


def test_choosing_saves_a_configuration_that_can_be_read(capsys):
    run("howto/choosing", 0, **{"training=replace(CPU.training, steps=3_000)": "training=CPU.training"})
    assert GeneratorConfig.load("small.yaml").network.width == 128
    assert yaml.safe_load(Path("small.yaml").read_text())["store_rows"] == 50_000
    assert main(["upsample", "--help"]) == 0 and "--preset" in capsys.readouterr().out


def test_a_generator_on_whatever_device_there_is():
    assert run("howto/gpu", 0)["generator"].spec.action_space.shape == (1,)


def test_resuming_a_fit():
    found = run("howto/resuming", 0, {"data": rollout("Pendulum-v1")})
    assert found["again"].fitted and Path("fit").exists()


def test_reading_scores():
    rows = hopper()
    found = run("howto/report", 0, {"real_held_out": rows[:100], "generated": rows[100:]})
    assert 0 < found["scores"].marginal <= 1


def test_the_guard_of_a_buffer():
    assert not run("howto/when_it_hurts", 0, {"env": HOPPER})["buffer"].stats.gated


def test_the_page_on_adapters():
    from tests.testing.sb3_harness import SB3Harness

    counts = run("adapters", 0, {"env": HOPPER})["engine"].plan(10, real=50)
    assert (counts.real, counts.generated) == (10, 0)
    code = blocks("adapters")[1]
    assert "check_adapter(MyHarness())" in code
    namespace: dict = {}
    exec(code.replace("print(check_adapter(MyHarness()))", ""), namespace)  # what it does: tests/testing
    assert run("adapters", 2, {"MyHarness": SB3Harness})["TestMyAdapter"].harness.env_counts == (1, 4)
    assert run("adapters", 3)["buffer_class"].__module__ == "synth_replay_sb3.synthetic"


COMMANDS = [
    (path.stem, line)
    for path in [*DOCS.glob("*.md"), *DOCS.glob("howto/*.md")]
    for block in re.findall(r"```bash\n(.*?)```", path.read_text(), flags=re.S)
    for line in block.splitlines()
    if line.startswith("synth-replay")
]


@pytest.mark.parametrize(("page", "line"), COMMANDS)
def test_the_options_of_a_command_exist(page, line, capsys):
    words = line.split("#")[0].split()[1:]
    assert main([words[0], "--help"]) == 0
    shown = capsys.readouterr().out
    assert all(word in shown for word in words if word.startswith("--"))


def test_every_python_block_of_every_page_is_executed_by_a_test():
    pages = [path for path in DOCS.rglob("*.md") if "_build" not in path.parts]
    counts = dict.fromkeys((path.relative_to(DOCS).with_suffix("").as_posix() for path in pages), 0)
    counts |= {page: len(blocks(page)) for page in counts if not page.startswith(("gallery", "tables"))}
    here = Path(__file__).read_text()
    run_here = {page: len(set(re.findall(rf'run\("{page}", (\d)', here))) for page in counts}
    run_here["quickstart"] += 1  # the generator's, of which a line is cut out
    run_here["adapters"] += 1
    elsewhere = {"offline_to_online": 3, "pixels": 3}  # test_readme.py, test_pixels_page.py
    for page, count in counts.items():
        assert elsewhere.get(page, 0) + run_here[page] >= count, page


def test_the_page_on_when_generated_rows_help(capsys):
    run("howto/when_they_help", 0, _2_000=150)
    assert "draws per row, they begin at 400" in capsys.readouterr().out


def test_the_page_on_security(capsys):
    run("howto/security", 0)
    assert "runs the code in it" in capsys.readouterr().out


def names_of_equations():
    text = (DOCS / "equations.md").read_text()
    return re.findall(r"\{(?:class|func|data|mod)\}`([\w.]+)`", text)


@pytest.mark.parametrize("name", names_of_equations())
def test_what_an_equation_points_to_exists(name):
    module, attribute = name.rsplit(".", 1)
    assert hasattr(importlib.import_module(module), attribute)


def test_the_citation_file_is_of_this_version():
    cited = yaml.safe_load((DOCS.parent / "CITATION.cff").read_text())
    assert cited["version"] == synth_replay.__version__ and cited["license"] == "MIT"
    named = (DOCS / "citing.md").read_text().replace("\n  ", " ")
    assert all(reference["title"] in named for reference in cited["references"])
