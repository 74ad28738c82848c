"""Named errors. Every message says what was wrong and what to do about it."""

from __future__ import annotations


class SynthReplayError(Exception):
    """Base class of every error that this package raises on purpose."""


class InvalidTransitionsError(SynthReplayError, ValueError):
    """Transitions hold NaN, infinities, unequal lengths, or values outside their space."""


class TooFewTransitionsError(InvalidTransitionsError):
    """There are not enough rows to fit a generator."""


class UnsupportedSpaceError(SynthReplayError, TypeError):
    """An observation or action space that cannot be modelled as a row of numbers."""


class ImageObservationError(UnsupportedSpaceError):
    """Pixel observations, which must go through a latent encoder first."""


class SpecMismatchError(SynthReplayError, ValueError):
    """Two things that must describe the same environment do not."""


class ConfigError(SynthReplayError, ValueError):
    """A configuration value, preset name or file that cannot be used."""


class CheckpointError(SynthReplayError):
    """A saved generator or training state that is missing, corrupt or cut short."""


class NotFittedError(SynthReplayError, RuntimeError):
    """Sampling or saving was asked of a generator that has not been fitted."""


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
    """A dataset, a path or a request for one that cannot be used."""


class DatasetFormatError(DatasetError):
    """A file or folder that is no dataset, lacks columns, or is cut short."""


class NotPixelsError(DatasetFormatError):
    """A dataset without frames, where frames are asked for."""


class DatasetExistsError(DatasetError):
    """The output path already holds something, which is never replaced unasked."""


class DatasetWriteError(DatasetError):
    """The disk refused to take a dataset; nothing half-written was left behind."""


class UnfinishedDatasetError(DatasetError):
    """A dataset whose writing was interrupted and can be resumed."""


class UntrustedDatasetError(DatasetError):
    """A pickled dataset was opened without saying that its origin is trusted."""
