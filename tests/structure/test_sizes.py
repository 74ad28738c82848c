"""Files and functions stay small enough to be read in one piece."""

from __future__ import annotations

from tests.structure.tree import ROOT, functions, package_files, python_files


def test_no_file_is_longer_than_300_lines():
    files = python_files("synth_replay", "adapters", "pipelines", "tests", "examples", "benchmarks")
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in files}
    assert not {path: lines for path, lines in lengths.items() if lines > 300}


def test_nine_functions_of_ten_fit_into_30_lines():
    lengths = [node.end_lineno - node.lineno + 1 for path in package_files() for node in functions(path)]
    assert sum(lines <= 30 for lines in lengths) >= 0.9 * len(lengths)
