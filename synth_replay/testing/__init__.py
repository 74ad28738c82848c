"""Conformance checks of adapters, for a REPL (``check_adapter``) or as pytest tests (``AdapterSuite``).

Only ``AdapterSuite`` needs pytest; it is imported when it is first used.
"""

from typing import TYPE_CHECKING, Any

from synth_replay.testing.case import random_rollout
from synth_replay.testing.checking import AdapterCheckError, AdapterReport, check_adapter
from synth_replay.testing.harness import AdapterHarness

if TYPE_CHECKING:
    from synth_replay.testing.suite import AdapterSuite

__all__ = ["AdapterCheckError", "AdapterHarness", "AdapterReport", "AdapterSuite", "check_adapter", "random_rollout"]

if not TYPE_CHECKING:  # a type checker would take any name for one of this module

    def __getattr__(name: str) -> Any:
        """Imports ``AdapterSuite`` when it is first used, because it needs pytest."""
        if name != "AdapterSuite":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from synth_replay.testing.suite import AdapterSuite

        return AdapterSuite
