"""The command ``synth-replay``: fit, sample, upsample, report, convert, info."""

from synth_replay.cli.main import main, run

__all__ = ["main", "run"]
