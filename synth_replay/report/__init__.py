"""Reports on generated transitions: one self-contained HTML page, its verdict, and maps of latent divergences."""

from synth_replay.report.judge import judge
from synth_replay.report.optional_imports import require_report_extra
from synth_replay.report.verdict import Check, Evidence, TerminationCounts, Verdict
from synth_replay.report.visual import divergence_map, normalized_divergence_map, save_png
from synth_replay.report.write import write_mixed_report, write_report

__all__ = [
    "Check",
    "Evidence",
    "TerminationCounts",
    "Verdict",
    "divergence_map",
    "judge",
    "normalized_divergence_map",
    "require_report_extra",
    "save_png",
    "write_mixed_report",
    "write_report",
]
