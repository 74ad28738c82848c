"""The optional dependencies of the report."""

from __future__ import annotations

from importlib.util import find_spec

from synth_replay.errors import MissingExtraError


def require_report_extra() -> None:
    """Checks that matplotlib, jinja2 and scikit-learn are installed.

    Raises:
        MissingExtraError: If one of them is missing; the message has the pip command.
    """
    missing = [module for module in ("matplotlib", "jinja2", "sklearn") if find_spec(module) is None]
    if missing:
        raise MissingExtraError(
            f'A report needs {", ".join(missing)}, which is not installed: pip install "synth-replay[report]"'
        )
