"""A room's tests import only what that room needs."""

import os
import subprocess
import sys
from pathlib import Path

ROOMS = Path(__file__).parent
HOSTS = {"stable_baselines3", "sb3_contrib", "d3rlpy", "torchrl", "tensordict", "minari", "procgen", "dm_control"}
COLLECT = """
import sys, pytest
code = pytest.main(["--collect-only", "-q", "-n", "0", "-p", "no:cacheprovider", *sys.argv[2:]])
print("imported", sorted(set(sys.argv[1].split()) & set(sys.modules)))
sys.exit(code)
"""


def imported(*rooms):
    """Which hosts pytest has imported after it has collected the tests of some rooms."""
    command = [sys.executable, "-c", COLLECT, " ".join(HOSTS), *map(str, rooms)]
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "COV"))}
    done = subprocess.run(command, cwd=ROOMS.parent, env=plain, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout.splitlines()[-1].removeprefix("imported ")


def test_the_rooms_of_the_core_import_no_host_library():
    rooms = ("base", "augment", "diffusion", "encoders", "codec", "generator", "buffers", "report", "cli")
    assert imported(*(ROOMS / room for room in rooms)) == "[]"
