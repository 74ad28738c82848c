"""The offline half of offline-to-online learning, from whatever the user has."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from gymnasium import spaces

from synth_replay.buffers.store import ColumnStore, HostColumns
from synth_replay.datasets import Dataset, find_pixels, open_dataset
from synth_replay.encoders import LatentEncoder, encode_transitions
from synth_replay.errors import (
    ConfigError,
    DatasetError,
    InvalidTransitionsError,
    SpecMismatchError,
    UntrustedDatasetError,
)
from synth_replay.transitions import EXTRA_COLUMNS, Transitions, TransitionSpec

NARROW = 0.55
ENOUGH_ROWS = 1000


def offline_rows(source: str | Path | Transitions, spec: TransitionSpec) -> Transitions:
    """Returns the rows of an offline dataset, checked against the environment that fine-tuning will use.

    Args:
        source: A file or folder of any format of :mod:`synth_replay.datasets`, the id of a local Minari dataset, or
            rows in environment units.
        spec: Spaces of the environment.

    Returns:
        The rows with the columns of ``spec``, and the extra ones that they have.

    Raises:
        ConfigError: If the source is none of these.
        DatasetError: If the file does not exist, or is no dataset.
        SpecMismatchError: If the rows were collected in another environment.
        InvalidTransitionsError: If values are not finite, actions are out of bounds, there are no rows, or they are of
            several steps: batches have a column for neither discounts nor intervals.
    """
    if isinstance(source, (str, Path)):
        source = _read(source, spec)
    if not isinstance(source, Transitions):
        raise ConfigError(
            f"offline is a dataset's path, a Minari id or Transitions; got {type(source).__name__}. "
            "Rows of another library: give them as synth_replay.Transitions."
        )
    if not len(source):
        raise InvalidTransitionsError("The offline dataset holds no transitions.")
    spec = spec.with_extras([name for name in EXTRA_COLUMNS if getattr(source, name) is not None])
    spec.check(source)
    warn_if_rescaled(source, spec)
    if source.discounts is not None or (source.intervals is not None and (np.asarray(source.intervals) != 1).any()):
        raise InvalidTransitionsError("The offline rows are n-step transitions: give the steps themselves.")
    columns = source.leaves()
    return Transitions.from_leaves(
        {leaf.name: columns[leaf.name].astype(leaf.dtype, copy=False) for leaf in spec.leaves}
    )


def offline_store(columns: HostColumns) -> ColumnStore:
    """Returns a store that holds exactly these rows, in their own dtypes."""
    store = ColumnStore(len(next(iter(columns.values()))), compact=False)
    store.replace(columns)
    return store


def _read(path: str | Path, spec: TransitionSpec) -> Transitions:
    try:
        opened = open_dataset(path)
    except UntrustedDatasetError as error:
        raise UntrustedDatasetError(
            f"{error} Here: pass offline=synth_replay.datasets.open_dataset({str(path)!r}, trusted=True).read()."
        ) from error
    except DatasetError as error:
        raise type(error)(f"The offline dataset cannot be read: {error}") from error
    _check_spaces(opened, spec)
    wanted = open_dataset(path, observation_space=spec.observation_space, action_space=spec.action_space)
    return wanted.read()


def _check_spaces(dataset: Dataset, spec: TransitionSpec) -> None:
    """Checks the actions that the file itself describes; spaces that were only assumed need not match."""
    theirs, ours = dataset.spec.action_space, spec.action_space
    if any("action" in str(note) for note in dataset.meta["notes"]):
        return
    if type(theirs) is not type(ours) or theirs.shape != ours.shape:
        raise SpecMismatchError(f"{dataset.path} has the actions {theirs}, the environment {ours}.")
    if not (isinstance(ours, spaces.Box) and isinstance(theirs, spaces.Box)):
        return
    if not (np.allclose(theirs.low, ours.low) and np.allclose(theirs.high, ours.high)):
        raise SpecMismatchError(
            f"{dataset.path} has the actions {theirs}, the environment {ours}: bring them to the environment's scale."
        )


def warn_if_rescaled(rows: Transitions, spec: TransitionSpec) -> None:
    """Warns of actions that use only half of the environment's range: they may have another scale."""
    space = spec.action_space
    if not isinstance(space, spaces.Box) or not space.is_bounded() or len(rows) < ENOUGH_ROWS:
        return
    span = np.maximum(np.abs(space.low), np.abs(space.high))
    reach = float((np.abs(rows.actions).max(axis=0) / span).max())
    if reach < NARROW:
        warnings.warn(
            f"The offline actions reach {reach:.0%} of the environment's bounds at most. If they were rescaled, bring "
            "them back to environment units.",
            stacklevel=4,
        )


def latent_rows(
    given: str | Path | Transitions, encoder: LatentEncoder, progress: bool = False
) -> str | Path | Transitions:
    """Encodes frames: pixel transitions, or the path of a V-D4RL or Offline Procgen dataset.

    Data without frames, such as latents that were encoded before, are returned unchanged.

    Raises:
        DatasetFormatError: If a dataset of frames is damaged.
        SpecMismatchError: If the frames are not what the encoder takes.
    """
    if isinstance(given, Transitions):
        latent = np.asarray(given.observations).shape[1:] == encoder.layout.space.shape
        return given if latent else encode_transitions([given], encoder, progress=progress)
    if (held := find_pixels(given)) is None:
        return given
    stack = encoder.pixel_shape[0] // held.frame_shape[0]
    return encode_transitions(held.transitions(frame_stack=stack), encoder, progress=progress)
