"""Named errors. Every message says what was wrong and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


class SynthReplayError(Exception):
    """Base class of every error that this package raises on purpose."""


class InvalidTransitionsError(SynthReplayError, ValueError):
    """Transitions hold NaN, infinities, unequal lengths, or values outside their space."""


class TooFewTransitionsError(InvalidTransitionsError):
    """There are not enough rows to fit a generator."""


class UnsupportedSpaceError(SynthReplayError, TypeError):
    """An observation or action space that cannot be modelled as a row of numbers."""


class SpaceDescriptionError(UnsupportedSpaceError):
    """The description of a space in a file is damaged, or of a kind of space that cannot be modelled."""


class ImageObservationError(UnsupportedSpaceError):
    """Pixel observations, which must go through a latent encoder first."""


class SpecMismatchError(SynthReplayError, ValueError):
    """Two objects that must describe the same environment disagree."""


class ConfigError(SynthReplayError, ValueError):
    """A configuration value, preset name or file that cannot be used."""


class CheckpointError(SynthReplayError):
    """A saved generator or training state that is missing, corrupt or cut short."""


class NotFittedError(SynthReplayError, RuntimeError):
    """A generator was asked to sample or save before it was fitted."""


class FitDivergedError(SynthReplayError, RuntimeError):
    """Training produced a loss that is not finite; the previous weights were kept."""


class SimulatorError(SynthReplayError, TypeError):
    """The environment cannot be set to the state that an observation describes."""


class UnsupportedBufferError(SynthReplayError, NotImplementedError):
    """A host-library feature that generated rows cannot serve."""


class MissingColumnError(SynthReplayError, LookupError):
    """An algorithm asks for a column of generated rows that was not modelled."""


class MissingExtraError(SynthReplayError, ImportError):
    """An optional dependency is not installed."""


class DatasetError(SynthReplayError, ValueError):
    """A dataset, its path or a request for it cannot be used."""


class DatasetFormatError(DatasetError):
    """A file or folder that is not a dataset, lacks columns, or is cut short."""


class UnknownFormatError(DatasetError):
    """No dataset format has the name or the file suffix that was given."""


class NotPixelsError(DatasetFormatError):
    """A dataset without frames was given where frames are required."""


class DatasetExistsError(DatasetError):
    """The output path exists, and existing data are never replaced silently."""


@dataclass(frozen=True)
class Difference:
    """One setting in which two jobs differ; its text is ``"output.rows: 40 there, 50 now"``.

    Attributes:
        path: Keys that lead to the setting in the description of a job.
        there: JSON value in the earlier job, whose rows are on disk; None if it lacks the setting.
        now: JSON value in the job that was refused; None if it lacks the setting.
    """

    path: tuple[str, ...]
    there: Any
    now: Any

    def __str__(self) -> str:
        there, now = ("{...}" if isinstance(value, dict) else value for value in (self.there, self.now))
        return f"{'.'.join(self.path)}: {there} there, {now} now"


class DifferentJobError(DatasetExistsError):
    """The output path holds rows of another job, finished or not.

    Attributes:
        found: What is at the path.
        differences: Settings in which that job differs from the one that was refused.
        remedy: What to do about it.
    """

    def __init__(self, found: str, differences: tuple[Difference, ...], remedy: str) -> None:
        super().__init__(found, differences, remedy)
        self.found, self.differences, self.remedy = found, differences, remedy

    def __str__(self) -> str:
        return self.word(map(str, self.differences))

    def word(self, differences: Iterable[str]) -> str:
        """Returns the message with the differences in a caller's own words, for example as options of a command."""
        return f"{self.found} ({', '.join(differences)}): {self.remedy}"


class DatasetWriteError(DatasetError):
    """Writing a dataset failed; no partial file was left behind."""


class UnfinishedDatasetError(DatasetError):
    """A dataset whose writing was interrupted and can be resumed."""


class UntrustedFileError(SynthReplayError):
    """A file that runs code on loading was opened without the caller's word that its origin is trusted."""


class UntrustedDatasetError(DatasetError, UntrustedFileError):
    """A pickled dataset was opened without the caller's word that its origin is trusted."""
