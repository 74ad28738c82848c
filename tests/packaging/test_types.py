"""The types of the installed wheel, as a user's own checker sees them."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.packaging.test_package import ROOT, installed, wheel_of

SCRIPT = Path(__file__).parent / "consumer.py"


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    folder = tmp_path_factory.mktemp("types")
    return installed(folder / "venv", wheel_of(ROOT, folder))


@pytest.mark.slow
def test_mypy_is_content_with_a_users_script(python, tmp_path):
    script = shutil.copy(SCRIPT, tmp_path)
    command = [
        python,
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
def test_pyright_is_content_with_a_users_script(python, tmp_path):
    pytest.importorskip("pyright", reason="pyright is not installed")
    script = shutil.copy(SCRIPT, tmp_path)
    done = subprocess.run(
        [python, "-m", "pyright", "--pythonpath", python, script], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout
