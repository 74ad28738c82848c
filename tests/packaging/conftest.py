"""The wheel, and environments that hold it: made once in a run, whatever the number of pytest's workers."""

import venv

import pytest
from filelock import FileLock

from tests.packaging.helpers import CONSTRAINTS, ROOT, beside, pip, wheel_of


@pytest.fixture(scope="session")
def once(tmp_path_factory, worker_id):
    """Makes a folder by a function, or waits until another worker has made it."""
    base = tmp_path_factory.getbasetemp()
    shared = base if worker_id == "master" else base.parent

    def folder(name, make):
        place = shared / name
        with FileLock(shared / f"{name}.lock"):
            if not (place / "made").exists():
                place.mkdir(exist_ok=True)
                make(place)
                (place / "made").touch()
        return place

    return folder


@pytest.fixture(scope="session")
def wheel(once):
    (found,) = once("wheel", lambda folder: wheel_of(ROOT, folder)).glob("*.whl")
    return found


@pytest.fixture(scope="session")
def installed(once, wheel):
    """The Python of an environment with the wheel, before what this environment has."""
    return once("installed", lambda folder: beside(folder / "venv", wheel)) / "venv" / "bin" / "python"


@pytest.fixture(scope="session")
def core(once, wheel):
    """The Python of an environment with the wheel, what it needs itself, and nothing else."""

    def make(folder):
        venv.create(folder / "venv", with_pip=False)
        (torch,) = [line for line in CONSTRAINTS[1].read_text().splitlines() if line.startswith("torch==")]
        pip(folder / "venv" / "bin" / "python", torch, *CONSTRAINTS)
        pip(folder / "venv" / "bin" / "python", wheel, *CONSTRAINTS)

    return once("core", make) / "venv" / "bin" / "python"
