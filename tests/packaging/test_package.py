import shutil
import subprocess
import sys
from importlib.metadata import EntryPoint, EntryPoints

import pytest

from synth_replay.errors import MissingExtraError
from synth_replay.plugins import available_adapters, load_adapter, require_extra
from synth_replay.testing.checking import CHECKS
from tests.packaging.helpers import ROOT, beside, wheel_of


def test_adapters_are_found_through_their_entry_points():
    found = available_adapters()
    assert {"d3rlpy", "sb3", "torchrl"} <= set(found) and set(found.values()) == {None}
    assert load_adapter("sb3").SyntheticReplayBuffer.__name__ == "SyntheticReplayBuffer"
    with pytest.raises(MissingExtraError, match="sb3"):
        load_adapter("rllib")


def test_a_missing_host_library_names_the_pip_command():
    with pytest.raises(MissingExtraError, match=r"pip install 'synth-replay\[sb3\]'"):
        require_extra("no_such_library", "sb3")


def test_an_adapter_whose_library_is_missing_says_what_to_install(monkeypatch):
    entry = EntryPoint("other", "synth_replay_of_nobody", "synth_replay.adapters")
    monkeypatch.setattr("synth_replay.plugins.entry_points", lambda group: EntryPoints([entry]))
    assert "pip install 'synth_replay_of_nobody'" in available_adapters()["other"]
    with pytest.raises(MissingExtraError, match="synth_replay_of_nobody"):
        load_adapter("other")


def test_an_adapter_that_fails_at_import_does_not_hide_the_others(monkeypatch, tmp_path):
    (tmp_path / "falls_over.py").write_text("import numpy; numpy.float_")
    monkeypatch.syspath_prepend(tmp_path)
    entries = [EntryPoint("a", "falls_over", "synth_replay.adapters"), EntryPoint("b", "json", "synth_replay.adapters")]
    monkeypatch.setattr("synth_replay.plugins.entry_points", lambda group: EntryPoints(entries))
    found = available_adapters()
    assert "AttributeError" in found["a"] and found["b"] is None


def test_importing_the_core_imports_no_rl_library():
    hosts = ("stable_baselines3", "d3rlpy", "torchrl", "matplotlib", "pytest")
    code = f"import sys; from synth_replay import *; print([m for m in {hosts} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


@pytest.mark.slow
def test_the_wheel_holds_all_packages_and_imports_outside_the_checkout(installed, tmp_path):
    adapters = ("synth_replay_sb3", "synth_replay_d3rlpy", "synth_replay_torchrl")
    packages = ("synth_replay", *adapters, "synth_replay_visual")
    code = (
        f"import {', '.join(packages)}\n"
        "from pathlib import Path\n"
        f"for m in ({', '.join(packages)}):\n"
        "    assert 'venv' in m.__file__, m.__file__\n"
        "    assert (Path(m.__file__).parent / 'py.typed').exists()\n"
        "print('fine')\n"
    )
    out = subprocess.run([installed, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "fine" in out.stdout


@pytest.mark.slow
def test_an_adapter_in_a_package_of_its_own_is_found_and_passes_the_suite(wheel, tmp_path):
    pytest.importorskip("cpprb", reason="cpprb is not installed: it has no wheel beyond Python 3.12")
    example = ROOT / "examples" / "third_party_adapter"
    python = beside(tmp_path / "venv", wheel, wheel_of(example, tmp_path))
    code = "from synth_replay import *; print(load_adapter('cpprb').SyntheticReplayBuffer, available_adapters())"
    out = subprocess.run([python, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "synth_replay_cpprb.synthetic.SyntheticReplayBuffer" in out.stdout and "'cpprb': None" in out.stdout
    tests = shutil.copytree(example / "tests", tmp_path / "tests")
    command = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", tests, tests]
    out = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert out.returncode == 0 and f"{2 * len(CHECKS)} passed" in out.stdout, out.stdout[-2000:]  # in two environments
