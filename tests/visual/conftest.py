"""Fixtures of the pipeline's tests."""

from __future__ import annotations

import pytest

from synth_replay.datasets import open_pixels, write_offline_procgen
from synth_replay.environments import ProcgenEnv
from synth_replay_visual import make_task, run_pipeline
from tests.visual.helpers import SMALLEST, random_data


@pytest.fixture
def without_pages(monkeypatch):
    """Leaves out the reports on generated latents, which take a third of a run's time."""
    monkeypatch.setattr("synth_replay_visual.generation.write_report", lambda page, *_, **__: page.touch())


@pytest.fixture(scope="session")
def fruitbot(tmp_path_factory):
    """A pixel dataset of 200 random steps of Procgen's fruitbot."""
    folder = tmp_path_factory.mktemp("data") / "fruitbot"
    write_offline_procgen(folder, random_data(ProcgenEnv("fruitbot", seed=0), 200))
    return open_pixels(folder)


@pytest.fixture(scope="session")
def four_arms(fruitbot, tmp_path_factory):
    """The folder of a run of all arms at the smallest size, which tests leave as it is, and the results."""
    out = tmp_path_factory.mktemp("four") / "out"
    return out, run_pipeline(make_task("fruitbot"), fruitbot, SMALLEST, out)
