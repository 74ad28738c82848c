"""The types of the installed wheel, as a user's own checker sees them."""

import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent / "consumer.py"


@pytest.mark.slow
def test_mypy_is_content_with_a_users_script(installed, tmp_path):
    script = shutil.copy(SCRIPT, tmp_path)
    command = [
        installed,
        "-m",
        "mypy",
        "--strict",
        "--ignore-missing-imports",
        "--allow-any-generics",
        "--allow-untyped-calls",
        script,
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
def test_pyright_is_content_with_a_users_script(installed, tmp_path):
    pytest.importorskip("pyright", reason="pyright is not installed")
    script = shutil.copy(SCRIPT, tmp_path)
    done = subprocess.run(
        [installed, "-m", "pyright", "--pythonpath", installed, script], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout
