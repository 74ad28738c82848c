from synth_replay.testing import AdapterSuite
from tests.testing.d3rlpy_harness import D3RLPyHarness


class TestD3RLPy(AdapterSuite):
    harness = D3RLPyHarness()
