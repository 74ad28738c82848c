"""Lines of docstrings that can be read alone."""

from __future__ import annotations

import re

from tests.structure.tree import ROOT, docstrings, package_files

SECTION = re.compile(r"^(\w[\w ]*):$")
ENTRY = re.compile(r"^ {4}[*\w][\w*, .()\[\]]*: +(.*)")
LEANING = re.compile(r"(Of|For|Likewise|The same|See)\b")


def entries(text):
    """The descriptions in the sections Args and Attributes of a docstring."""
    section = ""
    for line in text.splitlines():
        if heading := SECTION.match(line):
            section = heading[1]
        elif section in ("Args", "Attributes") and (entry := ENTRY.match(line)):
            yield entry[1]


def where(path, line):
    return f"{path.relative_to(ROOT)}:{line}"


def test_arguments_and_attributes_are_described_by_noun_phrases_that_stand_alone():
    faults = [
        f"{where(path, line)}: {entry}"
        for path in package_files()
        for line, text in docstrings(path)
        for entry in entries(text)
        if LEANING.match(entry)
    ]
    assert not faults, "\n".join(faults)


def test_docstrings_begin_with_what_a_thing_does_or_is():
    faults = [
        f"{where(path, line)}: {text.splitlines()[0]}"
        for path in package_files()
        for line, text in docstrings(path)
        if re.match(r"(Does it\.|(Of|Likewise|The same)\b)", text)
    ]
    assert not faults, "\n".join(faults)


def test_the_check_of_entries_finds_what_it_is_for():
    listed = "rows: Of both.", "env (gym.Env): See above.", "count: Number of rows."
    text = "\n    ".join(["A thing.\n\nArgs:", *listed]) + "\n\nRaises:\n    E: For x."
    assert [bool(LEANING.match(entry)) for entry in entries(text)] == [True, True, False]
