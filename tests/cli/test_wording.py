"""Messages speak of options, not of what lies behind them."""

from typing import get_args

import pytest

from synth_replay.cli.options import ReadFormat, WriteFormat
from synth_replay.cli.wording import word_differences, word_error, word_notes
from synth_replay.codec.config import CodecConfig
from synth_replay.datasets import FORMATS
from synth_replay.errors import DifferentJobError
from synth_replay.upsampling import differences
from tests.cli.helpers import run, write_npz


@pytest.mark.parametrize("command", ["fit", "upsample"])
def test_help_has_no_marks_of_the_documentation(capsys, command):
    assert "`" not in run(capsys, command, "--help")[1]
    assert "``" in CodecConfig.__doc__  # which itself stays as it is


def test_an_option_that_cannot_be_used_is_named_as_it_was_given(capsys):
    code, _, err = run(capsys, "fit", "d.npz", "--out", "m", "--generator.network.width", 0)
    assert code == 2 and "Error parsing generator.network: " in err and "dummy" not in err


def test_a_suffix_without_a_format_names_the_option_and_what_can_be_written(capsys, tmp_path):
    data = write_npz(tmp_path / "d.npz")
    code, _, err = run(capsys, "convert", data, tmp_path / "d.foo")
    assert code == 1 and "--out-format" in err and "npz, d4rl" in err and "sb3" not in err


def test_converting_onto_something_says_to_remove_it(capsys, tmp_path):
    data = write_npz(tmp_path / "d.npz")
    code, _, err = run(capsys, "convert", data, write_npz(tmp_path / "other.npz"))
    assert code == 1 and "take another name or remove it" in err


def test_bounds_that_were_guessed_can_be_given_by_an_environment(capsys, tmp_path):
    data = write_npz(tmp_path / "d.npz")
    assert "--env" in run(capsys, "convert", data, tmp_path / "o.npz")[1]


THERE = {"upsample": {"seed": 0, "config": {"network": {"width": 3}}}, "output": {"seed": 0, "shard_rows": 5}}
NOW = {"upsample": {"seed": 1, "config": {"network": {"width": 4}}}, "output": {"seed": 1, "shard_rows": 6}}


def test_a_seed_that_differs_twice_is_named_once():
    said = ["seed: 0 there, 1 now", "generator.network.width: 3 there, 4 now", "shard-rows: 5 there, 6 now"]
    assert word_differences(differences(THERE, NOW)) == said


def test_jobs_of_different_commands_are_told_apart_by_the_command_alone():
    found = differences({"sample": {"generator": "a1"}, "output": {"rows": 5}}, NOW)
    assert word_differences(found) == ["command: sample there, upsample now"]


def test_an_error_about_another_job_names_settings_in_python_and_options_on_the_command_line():
    error = DifferentJobError(
        "o holds other rows", differences({"output": {"rows": 4}}, {"output": {"rows": 5}}), "go."
    )
    assert str(error) == "o holds other rows (output.rows: 4 there, 5 now): go."
    assert word_error(error) == "o holds other rows (num-samples: 4 there, 5 now): go."


def test_the_environment_is_offered_only_where_a_space_is_asked_for():
    assert word_notes(["rows are missing"]) == ["rows are missing"]
    assert "--env" in word_notes(["give action_space"])[-1]


def test_every_format_can_be_named_on_the_command_line():
    assert set(get_args(ReadFormat)) == set(FORMATS) >= set(get_args(WriteFormat))
