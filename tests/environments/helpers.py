"""What the tests of environments share."""

from importlib.util import find_spec

import pytest

from synth_replay.environments import make_dmc_pixels
from synth_replay.errors import MissingExtraError

needs_procgen = pytest.mark.skipif(find_spec("procgen") is None, reason="procgen is not installed")


def _why_no_rendering():
    """Names what this machine lacks; an installed dm_control with OpenGL never skips."""
    try:
        make_dmc_pixels("pendulum", "swingup", size=8).close()
    except MissingExtraError as error:
        return str(error)
    return ""


_lack = _why_no_rendering()
needs_rendering = pytest.mark.skipif(bool(_lack), reason=_lack or "never")
