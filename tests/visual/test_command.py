"""The command line: options, mixed data, results of other evaluations."""

from __future__ import annotations

import synth_replay_visual.__main__ as command
from synth_replay.datasets import write_offline_procgen
from synth_replay.environments import ProcgenEnv
from synth_replay_visual import ArmResult, Evaluation, EvaluationSettings
from tests.environments.helpers import needs_procgen
from tests.visual.helpers import random_data


@needs_procgen
def test_options_of_the_command_change_the_size_and_arms_of_another_evaluation_are_left_out(
    fruitbot, tmp_path, monkeypatch, capsys
):
    asked = []
    monkeypatch.setattr(command, "run_pipeline", lambda task, data, config, *_, **__: asked.append(config))
    (tmp_path / "seed-0").mkdir()
    for arm, epsilon in (("baseline", 0.0), ("upsampled", 0.2)):
        evaluation = Evaluation(EvaluationSettings(2, epsilon), {}, {})
        result = ArmResult("fruitbot", arm, 0, 10, "hash", None, 1, 1.0, evaluation)
        result.save(tmp_path / "seed-0" / f"{arm}.json")
    options = ["--size", "smoke", "--epsilon", "0.2", "--feature-size", "7", "--latent", "critic"]
    places = ["--data", str(fruitbot.path), "--out", str(tmp_path)]
    monkeypatch.setattr("sys.argv", ["visual", "fruitbot", *places, *options])
    command.main()
    assert (asked[0].epsilon, asked[0].feature_size, asked[0].latent) == (0.2, 7, "critic")
    assert "1 arms had another evaluation: they are left out" in capsys.readouterr().out


@needs_procgen
def test_the_command_mixes_a_share_of_other_data_in(fruitbot, tmp_path, monkeypatch):
    write_offline_procgen(tmp_path / "other" / "fruitbot", random_data(ProcgenEnv("fruitbot", seed=9), 200, seed=9))
    taken = []
    monkeypatch.setattr(command, "run_pipeline", lambda task, data, *args, **kwargs: taken.append(data))
    other = str(tmp_path / "other" / "fruitbot")
    places = ["--data", str(fruitbot.path), "--out", str(tmp_path / "out"), "--mix", other]
    monkeypatch.setattr("sys.argv", ["visual", "fruitbot", *places, "--mix-share", "0.5"])
    command.main()
    assert set(taken[0].sources) == {0, 1} and 0.2 < taken[0].share < 0.8
