"""The example package is the template with its TODOs filled in, in few lines."""

import difflib
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"
FILES = {
    "pyproject.toml": "pyproject.toml",
    "synth_replay_myhost/__init__.py": "synth_replay_cpprb/__init__.py",
    "synth_replay_myhost/synthetic.py": "synth_replay_cpprb/synthetic.py",
    "tests/test_conformance.py": "tests/test_conformance.py",
}


def renamed(text):
    return text.replace("myhost", "cpprb").replace("MyHost", "Cpprb").splitlines()


def written_lines():
    """What an author adds to the template."""
    for template, done in FILES.items():
        before = renamed((EXAMPLES / "adapter_template" / template).read_text())
        after = (EXAMPLES / "third_party_adapter" / done).read_text().splitlines()
        for line in difflib.ndiff(before, after):
            if line.startswith("+ ") and line[2:].strip():
                yield line[2:]


def test_a_passing_adapter_takes_at_most_sixty_lines():
    lines = list(written_lines())
    assert 20 < len(lines) <= 60, "\n".join(lines)


def test_every_todo_of_the_template_is_done_in_the_example():
    todo = "".join(path.read_text() for path in (EXAMPLES / "adapter_template").rglob("*.py"))
    done = "".join(path.read_text() for path in (EXAMPLES / "third_party_adapter").rglob("*.py"))
    assert all(f"TODO {i}" in todo for i in range(1, 12)) and "TODO" not in done
