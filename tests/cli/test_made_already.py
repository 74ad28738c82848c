"""A second command on what the first one made."""

import json

import numpy as np
import pytest

from synth_replay.datasets import create_dataset, open_dataset
from tests.cli.helpers import run, write_npz, write_preset


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with rows, their generator, and what they were made from."""
    folder = tmp_path_factory.mktemp("made")
    write_npz(folder / "d.npz")
    write_preset(folder)
    from synth_replay.cli import main

    assert main([str(word) for word in upsample(folder, "more")]) == 0
    return folder


def upsample(folder, out, rows=200):
    return (
        "upsample",
        folder / "d.npz",
        "--num-samples",
        rows,
        "--preset",
        folder / "tiny.yaml",
        "--out",
        folder / out,
    )


def test_a_report_is_written_when_the_output_is_complete_already(capsys, made, tmp_path):
    page = tmp_path / "r.html"
    stamp = (made / "more" / "manifest.json").stat().st_mtime_ns
    code, said, _ = run(capsys, *upsample(made, "more"), "--report", page)
    assert code == 0 and f"{page}: " in said and "complete already" in said
    text = " ".join(page.read_text().split())
    assert "compared with the fitted rows" in text  # none were held out when the rows were made
    assert "held-out loss" in text.lower()  # the generator lies beside the rows
    assert (made / "more" / "manifest.json").stat().st_mtime_ns == stamp


def test_rows_made_with_a_report_are_complete_without_one_too(capsys, made, tmp_path):
    out = ("--out", tmp_path / "rows.npz")
    command = upsample(made, "unused")[:-2]
    assert run(capsys, *command, *out, "--report", tmp_path / "r.html")[0] == 0
    (tmp_path / "r.html").unlink()
    assert "nothing to generate" in run(capsys, *command, *out)[1]
    assert run(capsys, *command, *out, "--report", tmp_path / "r.html")[0] == 0
    assert "compared with 120 held-out real rows" in " ".join((tmp_path / "r.html").read_text().split())


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("--seed", 1), "(seed: 0 there, 1 now)"),
        (("--num-samples", 201), "(num-samples: 200 there, 201 now)"),
        (("--holdout", 0.1), "(holdout: 0.0 there, 0.1 now)"),
        (("--generator.training.batch-size", 8), "(generator.training.batch-size: 64 there, 8 now)"),
        (("--env", "Pendulum-v1"), "(another dataset)"),
    ],
)
def test_what_differs_from_rows_that_are_there_is_named(capsys, made, change, says):
    command = list(upsample(made, "more"))
    if change[0] in command:
        del command[command.index(change[0]) : command.index(change[0]) + 2]
    code, _, err = run(capsys, *command, *change)
    assert code == 1 and says in err and "delete it" in err and err.count("\n") == 1, err


def test_rows_sampled_elsewhere_are_told_from_upsampled_ones(capsys, made):
    assert run(capsys, "sample", made / "more", "--num-samples", 5, "--out", made / "five.npz")[0] == 0
    code, _, err = run(capsys, *upsample(made, "five.npz", 5))
    assert code == 1 and "command: sample there, upsample now" in err


def test_a_dataset_with_its_generator_in_it_can_be_sampled(capsys, made, tmp_path):
    for source, name in ((made / "more", "a"), (made / "more" / "generator", "b")):
        sample = ("sample", source, "--num-samples", 20, "--out", tmp_path / f"{name}.npz")
        assert run(capsys, *sample)[0] == 0
    a, b = (open_dataset(tmp_path / f"{name}.npz") for name in "ab")
    assert a.meta["job"] == b.meta["job"]
    assert np.array_equal(a.read().observations, b.read().observations)


def test_a_report_takes_the_generator_from_the_dataset_too(capsys, made, tmp_path):
    page = tmp_path / "r.html"
    data, more = made / "d.npz", made / "more"
    assert run(capsys, "report", data, more, "--out", page, "--generator", more)[0] == 0
    seed = json.loads((more / "manifest.json").read_text())["meta"]["seed"]
    assert seed == 0 and "batch_size" in page.read_text()


def test_rows_that_somebody_has_shortened_are_not_complete(capsys, made, tmp_path):
    held = open_dataset(made / "more")
    with create_dataset(tmp_path / "short", held.spec, 150, format="parquet", meta=held.meta) as writer:
        writer.write(held.read()[:150])
    code, _, err = run(capsys, *upsample(made, "more")[:-1], tmp_path / "short")
    assert code == 1 and "already holds something else" in err
