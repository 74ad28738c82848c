from synth_replay.testing import AdapterSuite
from tests.testing.sb3_harness import SB3Harness


class TestStableBaselines3(AdapterSuite):
    harness = SB3Harness()
