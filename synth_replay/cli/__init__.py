"""The command ``synth-replay``, one command a file: fit, sample, upsample, report, convert, info.

``main`` runs a command line, ``parser`` builds the options, ``options`` holds those that several commands share, and
``wording`` replaces the names of Python arguments in messages by options.
"""

from synth_replay.cli.main import main, run

__all__ = ["main", "run"]
