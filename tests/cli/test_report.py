"""The verdict of ``report`` as JSON and as an exit code."""

import json

import numpy as np
import pytest

from synth_replay.report import page
from tests.cli.helpers import run
from tests.conftest import rollout


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Real rows, held-out rows, further real rows, and these with other rewards; pages are not drawn."""
    monkeypatch.setattr(page, "_sections", lambda *_: [])
    rows = rollout("Pendulum-v1", 3200)
    rows = rows[np.random.default_rng(0).permutation(len(rows))]
    parts = {"real": rows[:1100], "held": rows[1100:2200], "fine": rows[2200:], "bad": rows[2200:]}
    for name, part in parts.items():
        columns = {**part.columns(), "terminals": part.terminations}
        rewards = part.rewards + 30 * (name == "bad")
        wanted = ("observations", "actions", "next_observations", "terminals")
        np.savez(tmp_path / f"{name}.npz", rewards=rewards, **{key: columns[key] for key in wanted})
    return tmp_path


@pytest.mark.parametrize(
    ("rows", "held", "level", "code"),
    [
        ("fine", True, "good", 0),
        ("fine", False, "good", 3),  # nothing is held out, which is a warning
        ("fine", False, "fair", 0),
        ("bad", True, "fair", 3),
    ],
)
def test_a_verdict_below_the_requested_level_sets_exit_code_3(capsys, files, rows, held, level, code):
    arguments = ["report", files / "real.npz", files / f"{rows}.npz", "--out", files / "p.html", "--fail-below", level]
    found = run(capsys, *arguments, *["--holdout", files / "held.npz"][: 2 * held], "--json", files / "p.json")
    problems = json.loads((files / "p.json").read_text())["verdict"]["problems"]
    assert found[0] == code and found[2] == "", problems
    assert "p.html" in found[1] and (files / "p.html").exists()


def test_without_the_option_a_bad_verdict_is_no_failure(capsys, files):
    out = files / "p.html"
    code, said, _ = run(
        capsys, "report", files / "real.npz", files / "bad.npz", "--out", out, "--json", files / "p.json"
    )
    data = json.loads((files / "p.json").read_text())
    assert code == 0 and data["verdict"]["headline"] in said
    assert data["verdict"]["level"] == "bad" and not data["verdict"]["good"]
    assert {check["key"] for check in data["verdict"]["checks"]} >= {"range", "support", "holdout", "marginal"}


def test_an_unknown_level_and_a_place_that_does_not_exist_are_refused_at_once(capsys, files):
    assert run(capsys, "report", files / "real.npz", files / "fine.npz", "--fail-below", "superb")[0] == 2
    code, _, error = run(
        capsys, "report", files / "real.npz", files / "fine.npz", "--json", files / "nowhere" / "p.json"
    )
    assert code == 1 and "nowhere" in error and not list(files.glob("*.html"))


def test_one_file_for_page_and_numbers_is_refused(capsys, files):
    out = files / "p.html"
    code, _, error = run(capsys, "report", files / "real.npz", files / "fine.npz", "--out", out, "--json", out)
    assert code == 1 and "--json and --out are the same file" in error and not out.exists()
