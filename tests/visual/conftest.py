"""Fixtures of the pipeline's tests."""

from __future__ import annotations

import pytest

from synth_replay.datasets import open_pixels, write_offline_procgen
from synth_replay.environments import ProcgenEnv
from tests.visual.helpers import random_data


@pytest.fixture
def fruitbot(tmp_path):
    """A pixel dataset of 200 random steps of Procgen's fruitbot."""
    folder = tmp_path / "fruitbot"
    write_offline_procgen(folder, random_data(ProcgenEnv("fruitbot", seed=0), 200))
    return open_pixels(folder)
