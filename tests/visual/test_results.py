"""Results of arms as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from synth_replay.errors import CheckpointError
from synth_replay_visual import ARMS, ArmResult, Evaluation, EvaluationSettings, LatentFidelity

RUNS = Path(__file__).parents[2] / "benchmarks" / "visual" / "runs"


def test_a_result_comes_back_from_its_file(tmp_path):
    evaluation = Evaluation(EvaluationSettings(2, 0.1), {"train": (1.0, 2.5), "test": (0.0,)}, {"test": (0.25, 0.5)})
    for fidelity in (None, LatentFidelity(0.9, 0.8)):
        result = ArmResult("coinrun", "upsampled", 3, 7, "ab", fidelity, 9, 0.5, evaluation)
        result.save(tmp_path / "upsampled.json")
        assert ArmResult.load(tmp_path / "upsampled.json") == result


@pytest.mark.parametrize("arm", ARMS)
def test_recorded_runs_are_read_and_written_with_the_same_keys(arm):
    recorded = json.loads((RUNS / f"cheetah-run-50-{arm}-0.json").read_text())
    own = {key: value for key, value in recorded.items() if key not in ("features", "seconds")}
    assert list(ArmResult.from_dict(recorded).to_dict().items()) == list(own.items())


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"arm": "baseline"}'])
def test_a_file_that_is_no_result_is_refused_with_its_name(text, tmp_path):
    path = tmp_path / "baseline.json"
    path.write_text(text)
    with pytest.raises(CheckpointError, match=r"baseline.json is not a result.*Delete it"):
        ArmResult.load(path)
