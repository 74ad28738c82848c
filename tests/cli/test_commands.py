import json
import re
from dataclasses import replace

import numpy as np
import pytest

from synth_replay import TransitionGenerator
from synth_replay.datasets import open_dataset, write_vd4rl_hdf5
from synth_replay.errors import DatasetFormatError
from synth_replay.generator.config import PRESETS, GeneratorConfig
from tests.cli.helpers import run, start, write_npz, write_preset
from tests.conftest import TINY, rollout
from tests.datasets.pixels.helpers import episode_of

COMMANDS = ("fit", "sample", "upsample", "report", "convert", "info")


@pytest.fixture
def data(tmp_path):
    return write_npz(tmp_path / "pendulum.npz")


@pytest.fixture
def preset(tmp_path):
    return write_preset(tmp_path)


def test_help_names_every_command(capsys):
    code, out, _ = run(capsys, "--help")
    assert code == 0
    assert all(re.search(rf"\b{command}\b", out) for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_has_a_help_text(capsys, command):
    code, out, _ = run(capsys, command, "--help")
    assert code == 0
    lines = [line.strip(" │") for line in out.splitlines()]
    options = [i for i, line in enumerate(lines) if line.startswith("--") and line.strip("-")]
    texts = [re.split(r"\s{2,}", lines[i] + "  " + lines[i + 1])[1] for i in options]
    assert options and not [lines[i] for i, text in zip(options, texts, strict=True) if text[:1] in "(-╰"]


def test_upsample_writes_rows_of_the_datasets_spaces_and_says_what_it_took(capsys, data, preset, tmp_path):
    out = tmp_path / "more"
    code, said, _ = run(capsys, "upsample", data, "--num-samples", 1050, "--out", out, "--preset", preset, "--quiet")
    assert code == 0
    assert "1,050 rows" in said and "peak memory" in said
    assert "note: the bounds of the actions" in said  # what was assumed is said
    made = open_dataset(out)
    rows = made.read()
    assert len(rows) == 1050 and made.spec == open_dataset(data).spec
    assert np.abs(rows.actions).max() <= np.abs(open_dataset(data).read().actions).max()
    assert not out.with_name("more.unfinished").exists()


def test_the_manifest_says_how_to_make_the_rows_again(capsys, data, preset, tmp_path):
    out = tmp_path / "more"
    run(capsys, "upsample", data, "--num-samples", 50, "--out", out, "--preset", preset, "--seed", 3)
    meta = json.loads((out / "manifest.json").read_text())["meta"]
    assert meta["seed"] == 3 and meta["label"] is None
    assert meta["config"] == TINY.to_dict() and meta["sampler"] == TINY.to_dict()["sampler"]
    assert meta["job"]["upsample"]["data"]["name"] == "pendulum.npz"
    generator = TransitionGenerator.load(out / "generator")
    assert meta["generator"] == generator.digest()


@pytest.mark.parametrize("suffix", [".npz", ".hdf5"])
def test_a_suffix_chooses_the_format(capsys, data, preset, tmp_path, suffix):
    out = tmp_path / f"more{suffix}"
    assert run(capsys, "upsample", data, "--num-samples", 70, "--out", out, "--preset", preset)[0] == 0
    assert len(open_dataset(out)) == 70
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([out.name, "pendulum.npz", "tiny.yaml"])


def test_the_same_seed_gives_the_same_rows_and_another_seed_others(capsys, data, preset, tmp_path):
    common = ("upsample", data, "--num-samples", 60, "--preset", preset)
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        run(capsys, *common, "--out", tmp_path / f"{name}.npz", "--seed", seed)
    a, b, c = (np.load(tmp_path / f"{name}.npz")["observations"] for name in "abc")
    assert np.array_equal(a, b) and not np.array_equal(a, c)


def test_fit_then_sample_is_upsample_in_two_steps(capsys, data, preset, tmp_path):
    assert run(capsys, "fit", data, "--out", tmp_path / "model", "--preset", preset)[0] == 0
    assert run(capsys, "sample", tmp_path / "model", "--num-samples", 60, "--out", tmp_path / "two.npz")[0] == 0
    run(capsys, "upsample", data, "--num-samples", 60, "--out", tmp_path / "one.npz", "--preset", preset)
    one, two = (np.load(tmp_path / f"{name}.npz")["observations"] for name in ("one", "two"))
    assert np.array_equal(one, two)


def test_options_override_the_preset_they_start_from(capsys, data, preset, tmp_path):
    change = ("--generator.training.steps", 7, "--generator.training.eval-every", 7, "--generator.sampler.steps", 3)
    assert run(capsys, "fit", data, "--out", tmp_path / "model", "--preset", preset, *change)[0] == 0
    config = TransitionGenerator.load(tmp_path / "model").config
    training = replace(TINY.training, steps=7, eval_every=7)
    assert config == replace(TINY, training=training, sampler=replace(TINY.sampler, steps=3))


@pytest.mark.parametrize("name", PRESETS)
def test_the_help_shows_the_presets_own_values(capsys, name):
    _, out, _ = run(capsys, "fit", "--preset", name, "--help")
    width = re.search(r"--generator.network.width INT.*?\(default: (\d+)\)", out, re.S)
    assert width is not None and int(width[1]) == PRESETS[name].network.width


def test_upsample_with_a_report_holds_rows_out(capsys, data, preset, tmp_path):
    page = tmp_path / "report.html"
    arguments = ("upsample", data, "--num-samples", 500, "--out", tmp_path / "more", "--preset", preset)
    code, said, _ = run(capsys, *arguments, "--report", page, "--env", "Pendulum-v1")
    assert code == 0 and f"{page}: " in said
    text = page.read_text()
    assert (
        "pendulum.npz" in text
        and "a model trained on 480 real rows, compared with 120 held-out real rows" in " ".join(text.split())
    )
    assert json.loads((tmp_path / "more" / "manifest.json").read_text())["meta"]["job"]["upsample"]["holdout"] == 0.2


def test_a_report_of_two_datasets(capsys, data, tmp_path):
    other = write_npz(tmp_path / "other.npz", 700)
    code, said, _ = run(capsys, "report", data, other, "--out", tmp_path / "page.html", "--holdout", other)
    assert code == 0 and "page.html: " in said
    assert (tmp_path / "page.html").read_text().startswith("<!")


def test_convert_there_and_back_keeps_every_value(capsys, data, tmp_path):
    assert run(capsys, "convert", data, tmp_path / "a.hdf5")[0] == 0
    assert run(capsys, "convert", tmp_path / "a.hdf5", tmp_path / "b")[0] == 0
    assert run(capsys, "convert", tmp_path / "b", tmp_path / "c.npz", "--env", "Pendulum-v1")[0] == 0
    before, after = open_dataset(data).read(), open_dataset(tmp_path / "c.npz").read()
    assert np.array_equal(before.observations, after.observations)
    assert np.array_equal(before.terminations, after.terminations)


def test_info_of_a_dataset_says_what_is_in_it(capsys, data):
    rows = rollout("Pendulum-v1", 600)
    code, out, _ = run(capsys, "info", data, "--json")
    found = json.loads(out)
    assert code == 0 and found["rows"] == 600 and found["format"] == "npz"
    column = found["columns"]["rewards"]
    expected = [rows.rewards.min(), rows.rewards.max(), rows.rewards.mean()]
    np.testing.assert_allclose([column["min"], column["max"], column["mean"]], expected, rtol=1e-5)
    assert "600" in run(capsys, "info", data)[1]


def test_info_says_how_often_a_planned_training_would_draw_each_row(capsys, data):
    code, out, _ = run(capsys, "info", data, "--updates", "4800", "--json")
    found = json.loads(out)
    assert code == 0 and found["draws per row"] == 4800 * 256 / 600 and "can pay" in found["advice"]
    code, out, _ = run(capsys, "info", data, "--updates", "480", "--batch-size", "64")
    assert code == 0 and "51 draws per row: generated rows are not expected to pay" in out
    code, _, err = run(capsys, "info", data, "--updates", "0")
    assert code == 1 and "--updates counts the gradient steps" in err


def test_info_of_a_generator_says_how_it_was_fitted(capsys, data, preset, tmp_path):
    run(capsys, "fit", data, "--out", tmp_path / "model", "--preset", preset)
    code, out, _ = run(capsys, "info", tmp_path / "model", "--json")
    found = json.loads(out)
    assert code == 0 and found["kind"] == "generator" and found["steps"] == TINY.training.steps
    assert GeneratorConfig.from_dict(found["config"]) == TINY


def test_in_a_pipe_there_are_no_bars_and_a_closed_pipe_is_no_error(data):
    with start("info", data) as process:
        process.stdout.close()
        code = process.wait(60)
        assert code in (0, 141)
        assert process.stderr.read() == ""
    with start("convert", data, data.with_name("x.hdf5")) as process:
        out, err = process.communicate(timeout=600)
    assert process.returncode == 0 and "600 rows" in out
    assert "\r" not in out + err and err == ""


def test_info_describes_a_dataset_of_frames(capsys, tmp_path):
    write_vd4rl_hdf5(tmp_path / "frames.hdf5", [episode_of(i, 5, size=84) for i in range(3)])
    code, said, _ = run(capsys, "info", tmp_path / "frames.hdf5", "--json")
    found = json.loads(said)
    assert code == 0 and found["kind"] == "frames" and found["format"] == "vd4rl-hdf5"
    assert (found["episodes"], found["transitions"], found["frame"]) == (3, 15, [3, 84, 84])


def test_info_on_frames_with_another_reader_says_how_to_open_them(tmp_path):
    write_vd4rl_hdf5(tmp_path / "frames.hdf5", [episode_of(0, 5, size=84)])
    with pytest.raises(DatasetFormatError, match="open_pixels"):
        open_dataset(tmp_path / "frames.hdf5")


def test_info_shows_every_note_whole(capsys, data, tmp_path):
    rows = open_dataset(data).read()
    held = {"observations": rows.observations, "actions": rows.actions, "rewards": rows.rewards}
    np.savez(tmp_path / "d.npz", **held, dones=np.arange(len(rows)) % 50 == 49)
    notes = open_dataset(tmp_path / "d.npz").meta["notes"]
    code, said, _ = run(capsys, "info", tmp_path / "d.npz")
    assert code == 0 and sum(len(note) > 90 for note in notes) >= 3
    assert all(note in said for note in notes)
