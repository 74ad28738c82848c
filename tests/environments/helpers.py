"""What the tests of environments share."""

import os
import subprocess
import sys
from importlib.util import find_spec

import pytest

needs_procgen = pytest.mark.skipif(find_spec("procgen") is None, reason="procgen is not installed")


def _why_no_rendering():
    """Asks dm_control itself, so that a mistake of ours fails tests and skips none."""
    chosen = any(os.environ.get(name) for name in ("MUJOCO_GL", "DISPLAY", "WAYLAND_DISPLAY"))
    env = os.environ if chosen else os.environ | {"MUJOCO_GL": "egl"}
    code = "import shimmy; from dm_control import suite; suite.load('pendulum', 'swingup').physics.render(8, 8)"
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    return done.stderr.strip().splitlines()[-1] if done.returncode else ""


_lack = _why_no_rendering()
needs_rendering = pytest.mark.skipif(bool(_lack), reason=_lack or "never")
