import subprocess
import sys
import venv
from pathlib import Path

import pytest

from synth_replay.errors import MissingExtraError
from synth_replay.plugins import available_adapters, load_adapter, require_extra

ROOT = Path(__file__).parents[2]


def test_adapters_are_found_through_their_entry_points():
    assert available_adapters() == ["d3rlpy", "sb3"]
    assert load_adapter("sb3").SyntheticReplayBuffer.__name__ == "SyntheticReplayBuffer"
    with pytest.raises(MissingExtraError, match="sb3"):
        load_adapter("rllib")


def test_a_missing_host_library_names_the_pip_command():
    with pytest.raises(MissingExtraError, match=r"pip install 'synth-replay\[sb3\]'"):
        require_extra("no_such_library", "sb3")


def test_importing_the_core_imports_no_rl_library():
    hosts = ("stable_baselines3", "d3rlpy", "matplotlib")
    code = f"import sys, synth_replay; print([m for m in {hosts} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


@pytest.mark.slow
def test_the_wheel_holds_the_three_packages_and_imports_outside_the_checkout(tmp_path):
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    venv.create(tmp_path / "venv", system_site_packages=False, with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "-q", "--no-deps", wheel], check=True)
    site = next((Path(sys.executable).parents[1] / "lib").glob("python*/site-packages"))
    code = (
        f"import sys; sys.path.append({str(site)!r})\n"
        "import synth_replay, synth_replay_sb3, synth_replay_d3rlpy\n"
        "from pathlib import Path\n"
        "for m in (synth_replay, synth_replay_sb3, synth_replay_d3rlpy):\n"
        "    assert 'venv' in m.__file__, m.__file__\n"
        "    assert (Path(m.__file__).parent / 'py.typed').exists()\n"
        "print('fine')\n"
    )
    out = subprocess.run([python, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "fine" in out.stdout
