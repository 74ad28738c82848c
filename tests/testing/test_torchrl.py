from synth_replay.testing import AdapterSuite
from tests.testing.torchrl_harness import TorchRLHarness


class TestTorchRL(AdapterSuite):
    harness = TorchRLHarness()
