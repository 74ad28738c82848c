"""What an adapter must keep: checks that its author runs, in a REPL (``check_adapter``) or with pytest (the suite).

``from synth_replay.testing.suite import AdapterSuite`` needs pytest; nothing else here does.
"""

from synth_replay.testing.checking import AdapterCheckError, AdapterReport, check_adapter
from synth_replay.testing.harness import AdapterHarness

__all__ = ["AdapterCheckError", "AdapterHarness", "AdapterReport", "check_adapter"]
