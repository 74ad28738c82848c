"""Messages that are shown although nobody has configured logging."""

from __future__ import annotations

import logging

import pytest

from synth_replay.runtime import announce

LOGGER = logging.getLogger("synth_replay").getChild("somewhere")


def unconfigured(monkeypatch):
    """Leaves logging as a script finds it: no handler anywhere, level WARNING."""
    monkeypatch.setattr(logging.getLogger(), "handlers", [])


def test_without_a_configuration_a_message_is_shown_on_stderr_once(capsys, monkeypatch):
    unconfigured(monkeypatch)
    announce(LOGGER, "%d rows of %s", 3, "them")
    assert capsys.readouterr() == ("", "synth_replay: 3 rows of them\n")


@pytest.mark.parametrize(("level", "shown"), [(logging.INFO, True), (logging.WARNING, False)])
def test_the_package_level_decides_whether_a_message_is_shown(level, shown, capsys, monkeypatch):
    unconfigured(monkeypatch)
    package = logging.getLogger("synth_replay")
    package.setLevel(level)
    try:
        announce(LOGGER, "a message")
    finally:
        package.setLevel(logging.NOTSET)
    assert bool(capsys.readouterr().err) == shown


def test_a_handler_of_another_library_at_level_warning_does_not_swallow_it(capsys, caplog):
    announce(LOGGER, "a message")  # pytest installs such handlers, and importing d3rlpy installs one too
    assert "a message" in capsys.readouterr().err and not caplog.messages


def test_with_a_handler_at_level_info_the_message_goes_there(capsys, caplog):
    with caplog.at_level(logging.INFO):
        announce(LOGGER, "%d rows", 3)
    assert caplog.messages == ["3 rows"] and not capsys.readouterr().err


def test_progress_false_silences_it(capsys, caplog):
    with caplog.at_level(logging.INFO):
        announce(LOGGER, "a message", progress=False)
    assert not caplog.messages and not capsys.readouterr().err
