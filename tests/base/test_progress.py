"""Long work shows its progress, with a bar on a terminal and with a few lines elsewhere. Short work shows none."""

from __future__ import annotations

import logging

import pytest

from synth_replay.progress import Bar, Lines, Progress, track


def lines(caplog, total, seconds_a_unit, step=1, done=0, stop=None):
    """The lines of work whose clock advances by a fixed time for each unit."""
    now = [0.0]
    caplog.set_level(logging.INFO, "synth_replay")
    with Lines(total, done, "fitting", "step", lambda: now[0]) as shown:
        for _ in range(done, total if stop is None else stop, step):
            now[0] += step * seconds_a_unit
            shown.update(step)
    return [record.getMessage() for record in caplog.records]


def test_the_first_line_comes_after_five_seconds_and_estimates_the_rest(caplog):
    assert lines(caplog, 1000, 0.125)[0] == "fitting: 40 of 1,000 steps, 5 s so far, about 2 min left"


def test_a_line_follows_at_each_tenth_and_the_last_says_the_whole_time(caplog):
    said = lines(caplog, 1000, 1.0)
    assert [line.split()[1] for line in said] == ["5", *(str(n) for n in range(100, 1000, 100)), "1,000"]
    assert said[-1] == "fitting: 1,000 of 1,000 steps, done in 17 min"


@pytest.mark.parametrize("step", [7, 64, 300])
def test_large_steps_never_repeat_a_line(step, caplog):
    said = lines(caplog, 1000, 1.0, step)
    assert 2 <= len(said) <= 12 and len(set(said)) == len(said)


def test_work_of_less_than_five_seconds_says_nothing(caplog):
    assert lines(caplog, 10_000, 0.0004) == []


def test_resumed_work_estimates_the_rest_from_the_speed_of_this_run(caplog):
    assert lines(caplog, 1000, 0.125, done=900)[0] == "fitting: 940 of 1,000 steps, 5 s so far, about 8 s left"


def test_work_that_stops_early_says_where(caplog):
    assert lines(caplog, 1000, 1.0, stop=120)[-1] == "fitting: 120 of 1,000 steps, done in 2 min"


def test_an_error_is_not_called_done(caplog):
    caplog.set_level(logging.INFO, "synth_replay")
    now = [0.0]
    with pytest.raises(RuntimeError), Lines(10, 0, "fitting", "step", lambda: now[0]):
        now[0] = 60.0
        raise RuntimeError
    assert not caplog.records


def test_lines_contain_the_figures(caplog):
    caplog.set_level(logging.INFO, "synth_replay")
    now = [0.0]
    with Lines(10, 0, "fitting", "step", lambda: now[0]) as shown:
        shown.note(loss="0.5", holdout="0.6")
        now[0] = 6.0
        shown.update()
    assert caplog.records[0].getMessage().endswith("about 54 s left, loss 0.5, holdout 0.6")


def test_the_argument_progress_chooses_the_kind(monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: False, raising=False)
    kinds = {progress: type(track(10, "fitting", "step", progress)) for progress in (True, False, None)}
    assert kinds == {True: Bar, False: Progress, None: Lines}


def test_lines_are_shown_without_any_configuration_of_logging(capsys, monkeypatch):
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    now = [0.0]
    with Lines(10, 0, "sampling", "row", lambda: now[0]) as shown:
        now[0] = 6.0
        shown.update()
    assert capsys.readouterr().err.startswith("synth_replay: sampling: 1 of 10 rows, 6 s so far, about 54 s left")
