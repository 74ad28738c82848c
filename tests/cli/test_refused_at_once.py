"""What cannot work is refused before there is any work, so that the corrected command is not in its own way."""

import gymnasium as gym
import pytest
import torch

from synth_replay import TransitionGenerator
from synth_replay.errors import ConfigError
from synth_replay.runtime import resolve_device
from tests.cli.helpers import run, write_npz, write_preset
from tests.conftest import TINY

ENV = gym.make("Pendulum-v1")


@pytest.fixture
def command(tmp_path):
    data, preset = write_npz(tmp_path / "d.npz"), write_preset(tmp_path)
    return ("upsample", data, "--num-samples", 20, "--preset", preset, "--out", tmp_path / "o")


@pytest.fixture
def no_work(monkeypatch):
    def never(*args, **kwargs):
        raise AssertionError("work was begun")

    monkeypatch.setattr("synth_replay.upsampling.Workplace.work", never)


def check_refused(found, says):
    code, out, err = found
    assert code == 1 and out == "" and err.count("\n") == 1 and says in err, err


@pytest.mark.parametrize("device", ["gpu", "cuda:99", "hpu"])
def test_a_device_that_is_not_there_is_refused_with_those_that_are(capsys, command, no_work, device):
    found = run(capsys, *command, "--device", device)
    check_refused(found, f"device '{device}'")
    assert "choose one of auto, cpu" in found[2]


def test_a_gpu_that_is_there_is_taken_and_one_more_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert [str(resolve_device(name)) for name in ("auto", "cuda:0", "cuda:1")] == ["cuda", "cuda:0", "cuda:1"]
    with pytest.raises(ConfigError, match=r"'cuda:2' .* choose one of auto, cpu, cuda:0, cuda:1"):
        resolve_device("cuda:2")


def test_a_saved_generator_is_not_blamed_for_a_device_that_is_not_there(capsys, tmp_path, no_work):
    found = run(capsys, "sample", tmp_path, "--num-samples", 9, "--out", tmp_path / "s.npz", "--device", "gpu")
    check_refused(found, "no device 'gpu'")


def test_a_negative_seed_is_refused(capsys, command, no_work):
    check_refused(run(capsys, *command, "--seed", -1), "--seed must not be negative")


def test_shards_without_rows_are_refused(capsys, command, no_work):
    check_refused(run(capsys, *command, "--shard-rows", 0), "at least 1 row")


@pytest.mark.parametrize("page", ["nowhere/r.html", "."])
def test_a_report_that_has_no_place_is_refused(capsys, command, no_work, tmp_path, page):
    check_refused(run(capsys, *command, "--report", tmp_path / page), "folder")
    check_refused(run(capsys, "report", command[1], command[1], "--out", tmp_path / page), "folder")


def test_a_report_without_its_extra_is_refused(capsys, command, no_work, monkeypatch):
    monkeypatch.setattr("synth_replay.report.optional_imports.find_spec", lambda module: None)
    check_refused(run(capsys, *command, "--report", "r.html"), "synth-replay[report]")


def test_a_label_that_was_not_fitted_leaves_nothing_behind(capsys, tmp_path, pendulum):
    plain = TransitionGenerator(ENV.observation_space, ENV.action_space, TINY, seed=0).fit(pendulum)
    plain.save(tmp_path / "g")
    sample = ("sample", tmp_path / "g", "--num-samples", 9, "--out", tmp_path / "s.npz")
    check_refused(run(capsys, *sample, "--label", "expert"), "'expert'")
    assert [path.name for path in tmp_path.iterdir()] == ["g"]
    assert run(capsys, *sample)[0] == 0


def test_a_label_that_was_fitted_is_taken(capsys, tmp_path, pendulum):
    labels = ["expert", "novice"] * (len(pendulum) // 2)
    TransitionGenerator(ENV.observation_space, ENV.action_space, TINY, seed=0).fit(pendulum, labels=labels).save(
        tmp_path / "g"
    )
    sample = ("sample", tmp_path / "g", "--num-samples", 9, "--out", tmp_path / "s.npz")
    assert run(capsys, *sample, "--label", "expert")[0] == 0
