"""Errors and notes in the words of the command line: below it, messages name Python arguments, here options."""

from __future__ import annotations

from collections.abc import Iterable

from synth_replay.errors import Difference, DifferentJobError, UnknownFormatError, UntrustedFileError

COMMANDS = ("fit", "sample", "upsample")
OPTIONS = {
    ("output", "rows"): "num-samples",
    ("output", "seed"): "seed",
    ("output", "label"): "label",
    ("output", "shard_rows"): "shard-rows",
    ("format",): "out-format",
}
HINTS = {UnknownFormatError: "--out-format", UntrustedFileError: "--trusted"}
SPACES_NOTE = "on the command line, --env takes both spaces from a Gymnasium environment"


def word_error(error: Exception) -> str:
    """Returns the message of an error on one line, with the options that it is about."""
    text = str(error)
    if isinstance(error, DifferentJobError):
        text = error.word(word_differences(error.differences))
    hints = [f" On the command line: {option}." for kind, option in HINTS.items() if isinstance(error, kind)]
    return " ".join("".join([text, *hints]).split())


def word_notes(notes: Iterable[str]) -> list[str]:
    """Returns the notes on a dataset; if one asks for a space, the last line names the option that gives it."""
    given = list(notes)
    return given + [SPACES_NOTE] * any("_space" in note for note in given)


def word_differences(differences: tuple[Difference, ...]) -> list[str]:
    """Returns the options in which two jobs differ, each once, with both values."""
    there = _command(d for d in differences if d.now is None)
    now = _command(d for d in differences if d.there is None)
    if there and now:
        return [f"command: {there} there, {now} now"]
    return list(dict.fromkeys(map(_word_difference, differences)))


def _command(differences: Iterable[Difference]) -> str | None:
    """The command that only one of two jobs is of, by their differences on the other side."""
    whole = (d.path[0] for d in differences if len(d.path) == 1)
    return next((name for name in whole if name in COMMANDS), None)


def _word_difference(difference: Difference) -> str:
    inner = difference.path[1:] if difference.path[0] in COMMANDS else difference.path
    path = inner or difference.path
    if path[0] == "data":
        return "another dataset"
    if path == ("generator",):
        return "another generator"
    if path[0] == "config":
        name = ".".join(("generator", *path[1:])).replace("_", "-")
    else:
        name = OPTIONS.get(path, ".".join(path))
    return f"{name}: {difference.there} there, {difference.now} now"
