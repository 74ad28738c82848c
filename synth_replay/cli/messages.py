"""The lines that commands print when they are done."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from synth_replay.cli.wording import word_notes
from synth_replay.datasets import Dataset
from synth_replay.upsampling import Output


@dataclass
class Usage:
    """Time and memory of a run so far; its text is ``"12.3 s, peak memory 0.45 GB"``.

    Attributes:
        started: Start of the run, by :func:`time.perf_counter`.
    """

    started: float = field(default_factory=time.perf_counter)

    def __str__(self) -> str:
        seconds = time.perf_counter() - self.started
        spent = f"{seconds:.1f} s" if seconds < 120 else f"{seconds / 60:.1f} min"
        return f"{spent}{_peak_memory()}"


def _peak_memory() -> str:
    try:
        import resource
    except ImportError:  # Windows
        return ""
    kibibytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return f", peak memory {kibibytes / 2**20:.2f} GB"


def print_made(output: Output, new: bool, usage: Usage) -> None:
    """Prints what is at the output, and whether this run made it."""
    rows = f"{output.rows:,} rows, {output.resolved_format}"
    if new:
        print(f"{output.path}: {rows} ({usage})")
    else:
        print(f"{output.path}: complete already, nothing to generate ({rows})")


def print_notes(dataset: Dataset) -> None:
    """Prints what was assumed while the dataset was opened, one line each."""
    for note in word_notes(dataset.meta["notes"]):
        print(f"note: {note}")
