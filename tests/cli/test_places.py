"""Commands never write into their own input or over a user's files, and they follow a link to its target."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from synth_replay import TransitionGenerator
from synth_replay.checkpoint import temporary_path
from synth_replay.datasets import create_dataset, open_dataset
from tests.cli.helpers import run, write_npz, write_preset

QUICK = ("--seed", 3, "--quiet", "--device", "cpu")


@pytest.fixture(scope="module")
def held(tmp_path_factory):
    """A folder of Parquet, a preset and a generator, which the tests only read."""
    folder = tmp_path_factory.mktemp("held")
    preset = write_preset(folder)
    arguments = ("--preset", preset, "--num-samples", 60, "--shard-rows", 30, "--out", folder / "in")
    from synth_replay.cli import main

    command = ("upsample", write_npz(folder / "d.npz", 300), *arguments, *QUICK)
    assert main([str(argument) for argument in command]) == 0
    return folder


def upsample(held, out, *more):
    arguments = ("--num-samples", 40, "--shard-rows", 20, "--out", out, "--preset", held / "tiny.yaml")
    return ("upsample", held / "d.npz", *arguments, *QUICK, *more)


@pytest.mark.parametrize("name", ["out", "deep/out", "out.npz", "../in/out"])
@pytest.mark.parametrize("command", ["upsample", "fit", "sample", "convert", "report page"])
def test_an_output_inside_of_its_input_is_refused_before_any_work(capsys, held, command, name):
    inside = held / "in" / name
    preset = ("--preset", held / "tiny.yaml")
    calls = {
        "upsample": ("upsample", held / "in", "--num-samples", 9, "--out", inside, *preset),
        "fit": ("fit", held / "in", "--out", inside, *preset),
        "sample": ("sample", held / "in" / "generator", "--num-samples", 9, "--out", held / "in" / "generator" / name),
        "convert": ("convert", held / "in", inside),
        "report page": ("upsample", held / "in", "--num-samples", 9, "--out", held / "o", *preset, "--report", inside),
    }
    if (command, name) in (("sample", "../in/out"), ("report page", "deep/out")):
        pytest.skip("it is refused for another reason")
    before = sorted(held.rglob("*"))
    code, out, err = run(capsys, *calls[command])
    assert code == 1 and out == "" and "inside of" in err and err.count("\n") == 1, err
    assert sorted(held.rglob("*")) == before


@pytest.mark.parametrize("name", ["o", "o.npz"])
def test_a_link_is_followed_and_stays_a_link(capsys, held, name, tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / name).symlink_to(tmp_path / "disk" / name)
    for said in ("40 rows", "complete already"):
        code, out, err = run(capsys, *upsample(held, tmp_path / name))
        assert code == 0 and said in out, err
    assert (tmp_path / name).is_symlink() and len(open_dataset(tmp_path / "disk" / name)) == 40
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["disk", name])
    assert [path.name for path in (tmp_path / "disk").iterdir()] == [name]


def test_a_link_to_an_empty_folder_takes_a_generator_too(capsys, held, tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "g").symlink_to(tmp_path / "disk")
    code, _, err = run(capsys, "fit", held / "d.npz", "--out", tmp_path / "g", "--preset", held / "tiny.yaml", *QUICK)
    assert code == 1 and "already exists" in err
    (tmp_path / "disk").rmdir()
    code, _, err = run(capsys, "fit", held / "d.npz", "--out", tmp_path / "g", "--preset", held / "tiny.yaml", *QUICK)
    assert code == 0 and TransitionGenerator.load(tmp_path / "disk").fitted, err


@pytest.mark.parametrize("command", ["upsample", "fit"])
def test_a_name_that_is_too_long_is_refused_before_the_fit(capsys, held, command, tmp_path):
    out = tmp_path / ("n" * 230)
    call = upsample(held, out) if command == "upsample" else ("fit", held / "d.npz", "--out", out)
    code, _, err = run(capsys, *call)
    assert code == 1 and "too long a name" in err and err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_files_of_the_user_with_names_like_ours_are_kept(capsys, held, tmp_path):
    kept = []
    for ending in (".partial", ".partial.partial", ".unfinished.trash", ".old"):
        folder = tmp_path / f"o.npz{ending}"
        folder.mkdir()
        (folder / "thesis.txt").write_text("precious")
        kept.append(folder)
    assert run(capsys, *upsample(held, tmp_path / "o.npz"))[0] == 0
    assert all((folder / "thesis.txt").read_text() == "precious" for folder in kept)


def test_a_complete_run_removes_the_leftovers_of_killed_ones(capsys, held, tmp_path):
    out = tmp_path / "o.npz"
    assert run(capsys, *upsample(held, out))[0] == 0
    for stray in (
        temporary_path(out),
        temporary_path(temporary_path(out)),
        temporary_path(tmp_path / "o.npz.unfinished"),
    ):
        stray.mkdir()
    assert run(capsys, *upsample(held, out))[0] == 0
    assert list(tmp_path.iterdir()) == [out]


def test_a_shard_damaged_on_disk_is_generated_again(capsys, held, tmp_path, monkeypatch):
    out = tmp_path / "o"

    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:  # both shards are there, and the folder is not yet published
        patch.setattr("synth_replay.datasets.ShardWriter.finish", interrupted)
        assert run(capsys, *upsample(held, out))[0] == 130
    shard = tmp_path / "o.unfinished" / "shards" / "part-00001.parquet"
    blob = bytearray(shard.read_bytes())
    whole = bytes(blob)
    blob[len(blob) // 3] ^= 1
    shard.write_bytes(blob)
    assert run(capsys, *upsample(held, out))[0] == 0
    assert (out / "part-00001.parquet").read_bytes() == whole
    assert not list(out.glob("*partial*"))


def test_a_fit_killed_after_moving_its_generator_ends_well_when_repeated(capsys, held, tmp_path, monkeypatch):
    call = ("fit", held / "d.npz", "--out", tmp_path / "g", "--preset", held / "tiny.yaml", *QUICK)

    def killed(self):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("synth_replay.upsampling.Workplace.clear", killed)
        assert run(capsys, *call)[0] == 130
    assert (tmp_path / "g" / "generator.json").exists() and (tmp_path / "g.unfinished").exists()
    code, out, err = run(capsys, *call)
    assert code == 0 and "fitted on" in out, err
    assert [path.name for path in tmp_path.iterdir()] == ["g"]


def test_a_generator_that_took_the_place_of_a_killed_fit_is_not_taken_for_its_result(
    capsys, held, tmp_path, monkeypatch
):
    call = ("fit", held / "d.npz", "--out", tmp_path / "g", "--preset", held / "tiny.yaml", *QUICK)

    def killed(*args, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("synth_replay.TransitionGenerator.fit", killed)
        assert run(capsys, *call)[0] == 130
    assert (
        run(
            capsys,
            *(tmp_path / "h" if word == tmp_path / "g" else word for word in call),
            "--generator.store-rows",
            "77",
        )[0]
        == 0
    )
    (tmp_path / "h").rename(tmp_path / "g")
    code, _, err = run(capsys, *call)
    assert code == 1 and "holds another generator" in err and (tmp_path / "g" / "generator.json").exists()


def test_an_output_that_is_the_input_is_refused_and_an_empty_folder_is_filled(capsys, held, tmp_path):
    before = (held / "d.npz").read_bytes()
    for call in (upsample(held, held / "d.npz"), ("convert", held / "d.npz", held / "d.npz")):
        code, _, err = run(capsys, *call)
        assert code == 1 and "choose another output" in err and "delete" not in err, err
    assert (held / "d.npz").read_bytes() == before
    (tmp_path / "empty").mkdir()
    assert run(capsys, *upsample(held, tmp_path / "empty"))[0] == 0 and len(open_dataset(tmp_path / "empty")) == 40


@pytest.mark.parametrize("name", ["loop", "name-\udcff", "file/out"])
@pytest.mark.parametrize("command", ["upsample", "fit", "convert"])
def test_an_unwritable_output_is_refused_in_one_line_before_any_work(capsys, held, command, name, tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").write_text("mine")
    before, out = sorted(tmp_path.iterdir()), tmp_path / name
    fit = ("fit", held / "d.npz", "--out", out, "--preset", held / "tiny.yaml")
    calls = {"upsample": upsample(held, out), "fit": fit, "convert": ("convert", held / "in", out)}
    code, _, err = run(capsys, *calls[command])
    assert code == 1 and err.count("\n") == 1, err
    assert sorted(tmp_path.iterdir()) == before


# -- metadata of a file from somebody else ------------------------------------------------------

STORIES = [
    {"columns": 5},
    {"columns": {"x": {"bad": 1}}},
    {"rows": 12345678, "kind": "generator", "format": "gold"},
    {"note": "x\x1b[2J\nrows 5"},
    {"notes": [5, {"a": 1}, "kept \x1b[2J"]},
    {"job": 5},
    {"job": {"output": 5}},
    {"job": {"output": {"rows": 30}}},
    {"job": {"output": {"rows": 30}, "upsample": {"holdout": "all"}}},
]


@pytest.mark.parametrize("meta", STORIES, ids=str)
def test_metadata_of_a_file_can_neither_break_a_command_nor_forge_its_lines(capsys, held, meta, tmp_path):
    rows = open_dataset(held / "d.npz").read()[:30]
    path = tmp_path / "given.npz"
    with create_dataset(path, open_dataset(held / "d.npz").spec, 30, meta=meta) as writer:
        writer.write(rows)
    code, out, err = run(capsys, "info", path)
    assert code == 0 and "rows           30\n" in out and "\x1b" not in out, err
    assert json.loads(run(capsys, "info", path, "--json")[1])["rows"] == 30
    code, _, err = run(capsys, *upsample(held, path, "--report", tmp_path / "r.html"))
    assert code == 1 and err.count("\n") == 1 and "already holds" in err, err


# -- trust --------------------------------------------------------------------------------------


def test_a_generator_that_names_a_function_needs_the_option(capsys, held, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    module = f"rule_{os.urandom(4).hex()}"
    lines = "import numpy as np\nopen('imported', 'w').close()\n"
    Path(f"{module}.py").write_text(f"{lines}def rule(o, a, n):\n    return np.zeros(len(a)), np.zeros(len(a), bool)\n")
    preset = Path("named.json")
    preset.write_text(json.dumps({"base": "cpu", "relabel": {"function": f"{module}:rule"}, **small()}))
    fit = ("fit", held / "d.npz", "--out", "g", "--preset", preset, *QUICK)
    sample = ("sample", "g", "--num-samples", 9, "--out", "o.npz", *QUICK)
    check_refused(capsys, *fit)
    assert run(capsys, *fit, "--trusted")[0] == 0
    Path("imported").unlink()  # the fit has checked that there is such a function
    for call in (("info", "g"), sample):
        check_refused(capsys, *call)
    assert not Path("imported").exists()
    assert [run(capsys, *call, "--trusted")[0] for call in (("info", "g"), sample)] == [0, 0]


def check_refused(capsys, *call):
    code, _, err = run(capsys, *call)
    assert code == 1 and "On the command line: --trusted" in err and err.count("\n") == 1, err


def small():
    network = {"width": 32, "depth": 2, "embedding_dim": 16}
    return {"network": network, "training": {"steps": 20, "batch_size": 64, "eval_every": 10}, "sampler": {"steps": 4}}
