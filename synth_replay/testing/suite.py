"""The checks as tests of pytest: subclass :class:`AdapterSuite` in a test module."""

from __future__ import annotations

from pathlib import Path

import pytest

from synth_replay.testing.case import Case
from synth_replay.testing.checking import CHECKS, MIXED_CHECKS
from synth_replay.testing.harness import AdapterHarness


class AdapterSuite:
    """One test for each check and environment.

    ::

        class TestMyAdapter(AdapterSuite):
            harness = MyHarness()

    Attributes:
        harness: Drives the adapter.
    """

    harness: AdapterHarness

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Called by pytest."""
        if "env_id" in metafunc.fixturenames:
            metafunc.parametrize("env_id", self.harness.env_ids)

    @pytest.mark.parametrize("check", CHECKS)
    def test_the_synthetic_buffer(self, check: str, env_id: str, tmp_path: Path) -> None:
        """What :class:`~synth_replay.buffers.synthetic.SyntheticReplayBuffer` promises, in every adapter."""
        CHECKS[check](Case(self.harness, env_id, tmp_path))

    @pytest.mark.parametrize("check", MIXED_CHECKS)
    def test_the_mixed_buffer(self, check: str, env_id: str, tmp_path: Path) -> None:
        """What :class:`~synth_replay.buffers.cfg_mixed.CFGMixedBuffer` promises, where an adapter has one."""
        if not self.harness.has_mixed:
            pytest.skip("this adapter has no CFGMixedBuffer")
        MIXED_CHECKS[check](Case(self.harness, env_id, tmp_path))
