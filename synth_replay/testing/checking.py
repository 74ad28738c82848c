"""All checks of an adapter in one call, for a REPL."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from synth_replay.errors import SynthReplayError
from synth_replay.progress import track
from synth_replay.testing import batches, lifecycle, mixed
from synth_replay.testing.case import Case
from synth_replay.testing.harness import AdapterHarness

Check = Callable[[Case], None]

CHECKS: dict[str, Check] = {check.__name__: check for check in (*batches.CHECKS, *lifecycle.CHECKS)}
MIXED_CHECKS: dict[str, Check] = {check.__name__: check for check in mixed.CHECKS}


class AdapterCheckError(SynthReplayError, AssertionError):
    """An adapter violates the contract of a synth_replay buffer.

    Attributes:
        failures: Message of each failed check, by ``check[environment]``.
    """

    def __init__(self, failures: dict[str, str]) -> None:
        self.failures = failures
        lines = [f"  {name}: {message}" for name, message in failures.items()]
        super().__init__("\n".join([f"{len(failures)} checks failed:", *lines]))


@dataclass(frozen=True)
class AdapterReport:
    """The checks that an adapter has passed.

    Attributes:
        passed: Names ``check[environment]`` of the checks.
    """

    passed: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join([f"{len(self.passed)} checks passed:", *(f"  {name}" for name in self.passed)])


def checks_of(harness: AdapterHarness) -> dict[str, Check]:
    """Selects the checks that apply to an adapter; those of mixing need a ``CFGMixedBuffer``."""
    return CHECKS | (MIXED_CHECKS if harness.has_mixed else {})


def check_adapter(harness: AdapterHarness, progress: bool | None = None) -> AdapterReport:
    """Runs every check with every environment, like Gymnasium's ``check_env``.

    Args:
        harness: Harness of the adapter.
        progress: Whether to show a progress bar; None shows it on a terminal.

    Returns:
        The checks that passed.

    Raises:
        AdapterCheckError: If a check failed; the message has one line for each of them.
    """
    passed: list[str] = []
    failures: dict[str, str] = {}
    todo = [(env_id, *item) for env_id in harness.env_ids for item in checks_of(harness).items()]
    with tempfile.TemporaryDirectory() as folder, track(len(todo), "checks", "check", progress, keep=True) as shown:
        for i, (env_id, name, check) in enumerate(todo):
            where = Path(folder) / str(i)
            where.mkdir()
            try:
                check(Case(harness, env_id, where))
            except Exception as error:
                failures[f"{name}[{env_id}]"] = str(error) if isinstance(error, AssertionError) else repr(error)
            else:
                passed.append(f"{name}[{env_id}]")
            shown.update()
    if failures:
        raise AdapterCheckError(failures)
    return AdapterReport(tuple(passed))
