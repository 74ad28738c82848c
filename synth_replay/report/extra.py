"""The optional dependencies of the page."""

from __future__ import annotations

from importlib.util import find_spec

from synth_replay.errors import MissingExtraError


def require_report_extra() -> None:
    """Checks that everything that draws the page is installed.

    Raises:
        MissingExtraError: With the pip command that installs it.
    """
    missing = [module for module in ("matplotlib", "jinja2", "sklearn") if find_spec(module) is None]
    if missing:
        raise MissingExtraError(
            f'A report needs {", ".join(missing)}, not installed here: pip install "synth-replay[report]"'
        )
