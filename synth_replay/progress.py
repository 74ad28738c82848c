"""Progress of long work: a bar on a terminal, elsewhere log lines with the time that is left."""

from __future__ import annotations

import logging
import sys
import time
from types import TracebackType
from typing import Any, Self

from tqdm.auto import tqdm

from synth_replay.runtime import announce

logger = logging.getLogger(__name__)

FIRST_LINE_SECONDS = 5.0
LINES = 10  # at most, for the whole work


class Progress:
    """Counts units of work inside a ``with`` block and shows nothing; base class of :class:`Bar` and :class:`Lines`.

    Args:
        total: Number of units of the whole work.
        done: Number of units that an earlier run has done.
    """

    def __init__(self, total: int, done: int = 0) -> None:
        self.total, self.done = total, done

    def update(self, count: int = 1) -> None:
        """Adds to the count of finished units."""
        self.done += count

    def note(self, **figures: str) -> None:
        """Shows figures beside the progress, such as a loss."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(complete=kind is None)

    def close(self, complete: bool) -> None:
        """Ends the progress; ``complete`` is False after an error."""


class Bar(Progress):
    """A progress bar of tqdm."""

    def __init__(self, total: int, done: int, what: str, unit: str, keep: bool) -> None:
        super().__init__(total, done)
        scaled = unit == "row"
        self._bar: Any = tqdm(total=total, initial=done, desc=what, unit=unit, unit_scale=scaled, leave=keep)

    def update(self, count: int = 1) -> None:
        """Moves the bar."""
        super().update(count)
        self._bar.update(count)

    def note(self, **figures: str) -> None:
        """Shows figures at the end of the bar."""
        self._bar.set_postfix(figures)

    def close(self, complete: bool) -> None:  # noqa: ARG002
        """Ends the bar."""
        self._bar.close()


class Lines(Progress):
    """Log lines with the time that is left: the first after 5 seconds, then one at each tenth of the work.

    Work of less than 5 seconds logs nothing.

    Args:
        total: Number of units of the whole work.
        done: Number of units that an earlier run has done.
        what: Name of the work.
        unit: Name of one unit, such as ``step``.
        clock: Returns the time in seconds.
    """

    def __init__(self, total: int, done: int, what: str, unit: str, clock: Any = time.monotonic) -> None:
        super().__init__(total, done)
        self._what, self._unit, self._clock = what, unit, clock
        self._started, self._before, self._figures = clock(), done, ""
        self._next = done + 1

    def update(self, count: int = 1) -> None:
        """Logs a line if one is due."""
        super().update(count)
        if self.done < self._next or self.done >= self.total:
            return
        seconds = self._clock() - self._started
        if seconds < FIRST_LINE_SECONDS:
            self._next = self.done + max(1, self.total // 1000)  # does not read the clock at every update
            return
        left = seconds / (self.done - self._before) * (self.total - self.done)
        self._say(f"{_duration(seconds)} so far, about {_duration(left)} left")
        tenth = max(1, self.total // LINES)
        self._next = (self.done // tenth + 1) * tenth

    def note(self, **figures: str) -> None:
        """Adds figures to the following lines."""
        self._figures = "".join(f", {name} {value}" for name, value in figures.items())

    def close(self, complete: bool) -> None:
        """Logs how long the work took, if it is complete and took at least 5 seconds."""
        seconds = self._clock() - self._started
        if complete and seconds >= FIRST_LINE_SECONDS:
            self._say(f"done in {_duration(seconds)}")

    def _say(self, when: str) -> None:
        share = f"{self.done:,} of {self.total:,} {self._unit}s"
        announce(logger, "%s: %s, %s%s", self._what, share, when, self._figures)


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def track(
    total: int, what: str, unit: str, progress: bool | None = None, *, done: int = 0, keep: bool = False
) -> Progress:
    """Returns the progress of some work, to use in a ``with`` block.

    Args:
        total: Number of units of the whole work.
        what: Name of the work, such as ``fitting``.
        unit: Name of one unit, such as ``step``.
        progress: True for a bar, False for nothing, None for a bar on a terminal and log lines elsewhere.
        done: Number of units that an earlier run has done.
        keep: Whether a finished bar stays on the screen.
    """
    if progress is False:
        return Progress(total, done)
    if progress or sys.stderr.isatty():
        return Bar(total, done, what, unit, keep)
    return Lines(total, done, what, unit)
