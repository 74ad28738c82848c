"""Runs Stable-Baselines3's own tests of buffers with ours: ``python -m tests.hosts_contracts.sb3_suite``.

pip downloads them with the sdist of the installed version. Further arguments go to pytest (``-k``, ``-x``).
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tempfile
from importlib.metadata import version
from pathlib import Path

TESTS = (
    "test_buffers.py",
    "test_n_step_replay.py",
    "test_save_load.py::test_save_load_replay_buffer",
    "test_save_load.py::test_warn_buffer",
)
OTHERS = "not (A2C or PPO or rollout or Rollout or test_env)"
RATIOS = (1.0, 0.5)
IMPORT = ("from stable_baselines3.common.buffers import", "from tests.hosts_contracts.sb3_names import")

LEFT_OUT = {
    "HerReplayBuffer": "refused: hindsight recomputes rewards from the rest of an episode; generated rows have none",
}
"""Parts of the names of tests, with the reason why ours cannot pass them."""


def download(folder: Path) -> Path | None:
    """Returns the folder of the tests in the sdist of the installed version, or None if pip cannot download it."""
    wanted = f"stable_baselines3=={version('stable_baselines3')}"
    command = [
        "-m",
        "pip",
        "download",
        "--no-deps",
        "--no-binary",
        ":all:",
        "--no-build-isolation",
        "-d",
        folder,
        wanted,
    ]
    done = subprocess.run([sys.executable, *map(str, command)], capture_output=True, text=True)
    archives = list(folder.glob("*.tar.gz"))
    if done.returncode or not archives:
        return None
    with tarfile.open(archives[0]) as archive:
        archive.extractall(folder, filter="data")
    tests = next(folder.glob("*/tests"))
    for path in tests.glob("*.py"):
        path.write_text(path.read_text().replace(*IMPORT))
    return tests


def run(tests: Path, ratio: float, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs SB3's tests at a share of real rows."""
    here = Path(__file__).parents[2]
    paths = [str(here), str(here / "adapters"), os.environ.get("PYTHONPATH", "")]
    env = os.environ | {"SYNTH_REPLAY_RATIO": str(ratio), "PYTHONPATH": os.pathsep.join(paths)}
    command = [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "tests.hosts_contracts.sb3_plugin"]
    command += ["-p", "no:cacheprovider", "-W", "ignore", "-k", OTHERS, *TESTS, *arguments]
    return subprocess.run(command, cwd=tests, env=env, capture_output=True, text=True)


def main() -> int:
    """Runs the tests at all ratios. Returns 0 if all pass, 1 if one fails, 2 if they cannot be downloaded."""
    with tempfile.TemporaryDirectory() as folder:
        if (tests := download(Path(folder))) is None:
            print("The sdist of Stable-Baselines3 cannot be downloaded: pip finds no index.")
            return 2
        code = 0
        for ratio in RATIOS:
            done = run(tests, ratio, *sys.argv[1:])
            print(f"real ratio {ratio}:\n{done.stdout}{done.stderr}")
            code |= bool(done.returncode)
    return code


if __name__ == "__main__":
    sys.exit(main())
