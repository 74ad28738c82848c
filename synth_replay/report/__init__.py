"""One self-contained HTML page that shows how good generated transitions are."""

from synth_replay.report.judge import judge
from synth_replay.report.verdict import Check, Evidence, Verdict
from synth_replay.report.write import write_mixed_report, write_report

__all__ = ["Check", "Evidence", "Verdict", "judge", "write_mixed_report", "write_report"]
