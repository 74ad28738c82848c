"""The checks as pytest tests, for subclasses of :class:`AdapterSuite`."""

from __future__ import annotations

from pathlib import Path

import pytest

from synth_replay.testing.case import Case
from synth_replay.testing.checking import CHECKS, MIXED_CHECKS
from synth_replay.testing.harness import AdapterHarness


class AdapterSuite:
    """A pytest test for each check and environment; subclass it in a test module.

    ::

        class TestMyAdapter(AdapterSuite):
            harness = MyHarness()

    Attributes:
        harness: Harness of the adapter.
    """

    harness: AdapterHarness

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Parametrises the tests over the harness's environments; pytest calls it."""
        if "env_id" in metafunc.fixturenames:
            metafunc.parametrize("env_id", self.harness.env_ids)

    @pytest.mark.parametrize("check", CHECKS)
    def test_the_synthetic_buffer(self, check: str, env_id: str, tmp_path: Path) -> None:
        """Runs one check of the contract of :class:`~synth_replay.buffers.SyntheticReplayBuffer`."""
        CHECKS[check](Case(self.harness, env_id, tmp_path))

    @pytest.mark.parametrize("check", MIXED_CHECKS)
    def test_the_mixed_buffer(self, check: str, env_id: str, tmp_path: Path) -> None:
        """Runs one check of the contract of :class:`~synth_replay.buffers.CFGMixedBuffer`, if the adapter has one."""
        if not self.harness.has_mixed:
            pytest.skip("this adapter has no CFGMixedBuffer")
        MIXED_CHECKS[check](Case(self.harness, env_id, tmp_path))
