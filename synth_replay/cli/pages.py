"""The page that ``upsample`` and ``report`` write."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

from synth_replay.transitions import Transitions

REPORT_ROWS = 50_000
REPORT_HOLDOUT = 0.05


def check_page(path: Path | None) -> None:
    """Checks that a page can be written there, before any work is done.

    Args:
        path: None for no page.

    Raises:
        MissingExtraError: If what draws it is not installed.
        OSError: If there is no folder for it.
    """
    if path is None:
        return
    from synth_replay.report.extra import require_report_extra
    from synth_replay.report.files import require_place

    require_report_extra()
    require_place(path)


def write_page(path: Path, real: Transitions, synthetic: Transitions, provenance: dict[str, Any], **kwargs: Any) -> str:
    """Writes it, with the command that did, as :func:`synth_replay.report.write_report`; gives a line on it."""
    from synth_replay.report import write_report

    told = {"command": shlex.join(["synth-replay", *sys.argv[1:]])} | provenance
    verdict = write_report(path, real, synthetic, provenance=told, **kwargs)
    return f"{path}: {verdict.headline}"


def generator_folder(path: Path) -> Path:
    """The folder of a generator, which may lie in the dataset that it made."""
    inner = path / "generator"
    return inner if (inner / "generator.json").exists() and not (path / "generator.json").exists() else path
