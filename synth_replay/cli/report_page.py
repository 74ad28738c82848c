"""The HTML page that ``upsample`` and ``report`` write."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synth_replay.transitions import Transitions

if TYPE_CHECKING:
    from synth_replay.report import Verdict

REPORT_ROWS = 50_000
HOLDOUT_ROWS = 1_000  # fewer cause a warning
SMALLEST_HOLDOUT, LARGEST_HOLDOUT = 0.05, 0.2


def holdout_share(rows: int) -> float:
    """Returns the share of a dataset's rows that a report holds out: 1,000 rows, limited to 5 % to 20 %."""
    return min(max(HOLDOUT_ROWS / rows, SMALLEST_HOLDOUT), LARGEST_HOLDOUT)


def check_page(path: Path | None) -> None:
    """Checks that a page can be written, before any work is done.

    Args:
        path: File to write; None for no page.

    Raises:
        MissingExtraError: If the libraries that draw the page are not installed.
        OSError: If the folder of the file does not exist.
    """
    if path is None:
        return
    from synth_replay.report.files import check_destination
    from synth_replay.report.optional_imports import require_report_extra

    require_report_extra()
    check_destination(path)


def write_page(path: Path, real: Transitions, synthetic: Transitions, provenance: dict[str, Any], **kwargs: Any) -> str:
    """Writes a report as :func:`judge_page` does, and returns a line with the path and the verdict."""
    return f"{path}: {judge_page(path, real, synthetic, provenance, **kwargs).headline}"


def judge_page(
    path: Path, real: Transitions, synthetic: Transitions, provenance: dict[str, Any], **kwargs: Any
) -> Verdict:
    """Writes a report with the command line in its provenance.

    Args:
        path: File to write.
        real: Rows that were fitted.
        synthetic: Generated rows.
        provenance: JSON values to show under "provenance".
        **kwargs: Further arguments of :func:`synth_replay.report.write_report`.

    Returns:
        The verdict.
    """
    from synth_replay.report import write_report

    command = {"command": shlex.join(["synth-replay", *sys.argv[1:]])}
    return write_report(path, real, synthetic, provenance=command | provenance, **kwargs)
