"""A pytest plugin that replaces Stable-Baselines3's buffers by ours in its own tests.

Generators are tiny and refits frequent, so batches contain generated rows. ``SYNTH_REPLAY_RATIO`` is the share
of real rows.
"""

import os

import pytest
import stable_baselines3.common.off_policy_algorithm as algorithms

from synth_replay.buffers.engine import SynthesisEngine
from synth_replay.buffers.options import synther_engine
from synth_replay.generator.config import PRESETS
from tests.conftest import TINY
from tests.hosts_contracts.sb3_names import OURS
from tests.hosts_contracts.sb3_suite import LEFT_OUT


def pytest_configure(config: pytest.Config) -> None:
    """Replaces the classes that SB3's algorithms choose by default."""
    PRESETS["cpu"] = TINY
    SynthesisEngine.__init__.__kwdefaults__ |= {"refresh_every": 50, "progress": False}
    synther_engine.__kwdefaults__["real_ratio"] = float(os.environ["SYNTH_REPLAY_RATIO"])
    for name, ours in OURS.items():
        setattr(algorithms, name, ours)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skips the tests that our buffers cannot pass, with the reason."""
    for item in items:
        for part, reason in LEFT_OUT.items():
            if part in item.nodeid:
                item.add_marker(pytest.mark.skip(reason=reason))
