"""What the tests of environments share."""

from importlib.util import find_spec

import pytest

needs_procgen = pytest.mark.skipif(find_spec("procgen") is None, reason="procgen is not installed")
needs_rendering = pytest.mark.rendering
