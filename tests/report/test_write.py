import subprocess
import sys
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

from synth_replay.buffers.stats import SynthesisStats
from synth_replay.errors import InvalidTransitionsError, MissingExtraError, SpecMismatchError
from synth_replay.report import optional_imports, write, write_report
from tests.conftest import rollout
from tests.report.helpers import Page, changed, halves


@pytest.fixture
def rows():
    return halves(rollout("CartPole-v1", 1600))


def report(path, real, synthetic, **options):
    return write_report(path / "report.html", real, synthetic, **options)


def test_rewards_that_are_shifted_are_named_with_their_marginal(tmp_path):
    a, b = halves(rollout("Pendulum-v1"))
    told = report(tmp_path, a, changed(b, rewards=b.rewards + 2 * b.rewards.std()), env=gym.make("Pendulum-v1"))
    assert told.headline == "Not good enough to train on"
    assert "Rewards look wrong: the marginal of rewards is" in told["worst_marginal"].sentence
    assert told["reward_error"].outcome == "fail" and told["dynamics_error"].passed
    assert told["worst_marginal"].sentence in Page(tmp_path / "report.html").text


def test_title_and_provenance_are_escaped_and_readable_by_programs(tmp_path, rows):
    evil = "</script><script>alert(1)</script>"
    data = {"file": Path("a/b.npz"), "rows": np.int64(7), evil: [np.float32(0.5)]}
    about = {"command": evil, "data": data, "t": np.nan}
    report(tmp_path, *rows, title=evil, provenance=about)
    page = Page(tmp_path / "report.html")
    assert len(page.find("script")) == 1 and "alert(1)" in page.text
    assert page.data["title"] == evil
    told = page.data["provenance"]
    assert told["data"] == {"file": "a/b.npz", "rows": 7, evil: [0.5]} and told["t"] is None
    assert told["versions"]["numpy"] == np.__version__ and told["versions"]["python"] in sys.version


def test_an_error_while_drawing_leaves_the_old_page_and_nothing_else(tmp_path, rows, monkeypatch):
    (tmp_path / "report.html").write_text("old")
    monkeypatch.setattr(write, "measure", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        report(tmp_path, *rows)
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]
    assert (tmp_path / "report.html").read_text() == "old"


def test_a_path_that_cannot_be_written_is_refused_before_any_work(tmp_path, rows, monkeypatch):
    monkeypatch.setattr(write, "measure", lambda *_: pytest.fail("worked before looking at the path"))
    with pytest.raises(FileNotFoundError, match="create it"):
        report(tmp_path / "missing", *rows)
    with pytest.raises(IsADirectoryError, match=r"report\.html"):
        write_report(tmp_path, *rows)
    assert not list(tmp_path.iterdir())


def test_rows_that_cannot_be_compared_are_refused_before_any_work(tmp_path, rows, monkeypatch):
    monkeypatch.setattr(write, "measure", lambda *_: pytest.fail("worked before looking at the rows"))
    real, synthetic = rows
    broken = synthetic.map(np.copy)
    broken.rewards[3] = np.nan
    pendulum = rollout("Pendulum-v1")
    for bad in ((real[:0], synthetic), (real, synthetic[:0]), (real, broken), (broken, synthetic)):
        with pytest.raises(InvalidTransitionsError):
            report(tmp_path, *bad)
    with pytest.raises(InvalidTransitionsError, match="holdout"):
        report(tmp_path, real, synthetic, holdout=broken)
    with pytest.raises(SpecMismatchError, match="synthetic"):
        report(tmp_path, real, pendulum)
    with pytest.raises(SpecMismatchError, match="shape"):
        report(tmp_path, real, synthetic, env=gym.make("Pendulum-v1"))
    assert not list(tmp_path.iterdir())


def test_the_missing_extra_is_named(tmp_path, rows, monkeypatch):
    monkeypatch.setattr(optional_imports, "find_spec", lambda name: None if name == "jinja2" else object())
    with pytest.raises(MissingExtraError, match=r'jinja2.*pip install "synth-replay\[report\]"'):
        report(tmp_path, *rows)


def test_importing_the_package_needs_no_extra():
    code = (
        "import sys\n"
        "for name in ('matplotlib', 'jinja2', 'sklearn'): sys.modules[name] = None\n"
        "import synth_replay.report as report\n"
        "report.judge, report.write_report"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_progress_is_shown_when_asked_for_and_nothing_is_printed(tmp_path, rows, capsys):
    report(tmp_path, *rows, progress=True)
    out, err = capsys.readouterr()
    assert out == "" and "report" in err


def test_nothing_is_shown_away_from_a_terminal(tmp_path, rows, capsys):
    report(tmp_path, rows[0][:50], rows[1][:50])
    assert capsys.readouterr() == ("", "")


def test_figures_of_a_buffer_are_on_the_page_and_for_programs(tmp_path, rows):
    stats = SynthesisStats(refreshes=2, draws_per_row=180.5, reason="No generated rows yet.")
    report(tmp_path, *rows, stats=stats, provenance={"command": "train"})
    page = Page(tmp_path / "report.html")
    assert "No generated rows yet." in page.text and "180.5" in page.text
    told = page.data["provenance"]
    assert told["command"] == "train" and told["buffer"]["refreshes"] == 2 and told["buffer"]["draws_per_row"] == 180.5
