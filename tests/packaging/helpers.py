"""Wheels, and environments to install them in."""

import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).parents[2]
CONSTRAINTS = ("-c", ROOT / "constraints.txt")


def wheel_of(folder, out):
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = out.glob("*.whl")
    return wheel


def pip(python, *words):
    """Installs into another environment, which needs no pip of its own."""
    command = [sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-compile"]
    command += ["--disable-pip-version-check", *words]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def said(python, *words, cwd):
    return subprocess.run([python, *words], cwd=cwd, capture_output=True, text=True)


def site_of(python):
    (found,) = (Path(python).parents[1] / "lib").glob("python*/site-packages")
    return found


def behind(python, other):
    """What another environment has installed can be imported, after what this one has."""
    (site_of(python) / "behind.pth").write_text(f"{site_of(other)}\n")


def beside(folder, *wheels):
    """A new environment with these wheels, and what this one has installed behind them."""
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    pip(python, "--no-deps", *wheels)
    behind(python, sys.executable)
    return python
