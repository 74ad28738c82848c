"""The base class of the readers of frames.

It does not inherit from :class:`~synth_replay.datasets.Dataset`, whose rows can be generated. Frames cannot be
generated before an encoder has turned them into latent vectors.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import numpy as np
from gymnasium import spaces

from synth_replay.datasets.pixels.episode import CHUNK_ROWS, FRAME_STACK, Indices, PixelEpisode, stack_transitions
from synth_replay.errors import DatasetError, DatasetFormatError, InvalidTransitionsError, SpecMismatchError
from synth_replay.spaces import Array
from synth_replay.transitions import Transitions

ActionSpace = spaces.Box | spaces.Discrete


class PixelDataset(ABC):
    """Episodes of frames on disk, read one at a time.

    Attributes:
        format: Name of the format.
        path: The file or folder.
        lengths: ``[episodes]`` int64, number of transitions of each episode.
        frame_shape: Shape ``(C, H, W)`` of one frame.
        action_space: A Box in [-1, 1] or a Discrete.
        notes: Assumptions made while the dataset was opened.
    """

    format: ClassVar[str]

    def __init__(
        self,
        path: Path,
        lengths: Sequence[int] | Indices,
        frame_shape: tuple[int, int, int],
        action_space: ActionSpace,
        notes: Iterable[str] = (),
    ) -> None:
        self.path, self.frame_shape, self.action_space = path, frame_shape, action_space
        self.lengths: Indices = np.asarray(lengths, np.int64)
        self.notes = list(notes)
        if not self.lengths.sum():
            raise DatasetFormatError(f"{path} holds no episodes. Give the folder or file that does.")

    def __len__(self) -> int:
        """Number of transitions."""
        return int(self.lengths.sum())

    @property
    def fingerprint(self) -> str:
        """A hash of the names, sizes and modification times of the dataset's files; no file is read."""
        found = hashlib.sha256(str(self.path.resolve()).encode())
        for file in sorted(self.path.rglob("*")) if self.path.is_dir() else [self.path]:
            held = file.stat()
            found.update(f"{file.relative_to(self.path)} {held.st_size} {held.st_mtime_ns}".encode())
        return found.hexdigest()

    def __repr__(self) -> str:
        counts = f"{len(self.lengths)} episodes, {len(self)} transitions"
        return f"{type(self).__name__}({str(self.path)!r}, {counts}, frames {self.frame_shape}, {self.action_space})"

    @abstractmethod
    def _read(self, numbers: Sequence[int]) -> Iterator[PixelEpisode]:
        """Yields the episodes with these numbers, in this order."""

    def episodes(self, numbers: Iterable[int] | None = None) -> Iterator[PixelEpisode]:
        """Streams episodes; memory holds one.

        Args:
            numbers: Numbers of the episodes, in the order in which to read them; None reads all. Ascending numbers are
                read fastest.

        Raises:
            DatasetError: If there is no episode with one of these numbers.
            DatasetFormatError: While reading, if a file is damaged or an episode is cut short.
            InvalidTransitionsError: While reading, if lengths or values do not fit. No episode is skipped.
        """
        chosen = list(range(len(self.lengths)) if numbers is None else numbers)
        for number in chosen:
            if not 0 <= number < len(self.lengths):
                raise DatasetError(f"{self.path} has {len(self.lengths)} episodes, from 0 on; there is no {number}.")
        return self._checked(chosen)

    def transitions(self, rows: int = CHUNK_ROWS, frame_stack: int = FRAME_STACK) -> Iterator[Transitions]:
        """Streams every transition once, in order, as :func:`stack_transitions` does."""
        return stack_transitions(self.episodes(), rows, frame_stack)

    def _checked(self, numbers: list[int]) -> Iterator[PixelEpisode]:
        for number, episode in zip(numbers, self._read(numbers), strict=True):
            if len(episode) != self.lengths[number]:
                raise DatasetFormatError(
                    f"{self.path}: episode {number} is announced with {self.lengths[number]} steps and has "
                    f"{len(episode)}: it was cut short or changed. Copy or download it again."
                )
            with located(f"{self.path}, episode {number}"):
                if episode.frames.shape[1:] != self.frame_shape:
                    raise SpecMismatchError(
                        f"frames have shape {episode.frames.shape[1:]}, those before {self.frame_shape}. Use one "
                        "dataset per frame size."
                    )
                check_actions(episode.actions, self.action_space)
            yield episode


@contextmanager
def located(place: str) -> Iterator[None]:
    """Puts a place in front of the text of an error about values, inside a ``with`` block."""
    try:
        yield
    except (InvalidTransitionsError, SpecMismatchError) as error:
        raise type(error)(f"{place}: {error}") from error


def check_actions(actions: Array, space: ActionSpace) -> None:
    """Checks the actions of an episode.

    Args:
        actions: ``[T, ...]``, finite.
        space: Space that must contain them; up to 1e-4 beyond a Box's bounds is accepted as rounding.

    Raises:
        SpecMismatchError: If they have another kind or shape.
        InvalidTransitionsError: If one is outside the space.
    """
    discrete = isinstance(space, spaces.Discrete)
    if (actions.dtype.kind == "i") != discrete or actions.shape[1:] != space.shape:
        raise SpecMismatchError(
            f"actions are {actions.dtype} of shape {actions.shape[1:]} per step, expected are those of {space}. Use "
            "one dataset per environment and action type."
        )
    low, high = (space.start, space.start + space.n - 1) if isinstance(space, spaces.Discrete) else (-1.0001, 1.0001)
    if (actions < low).any() or (actions > high).any():
        raise InvalidTransitionsError(
            f"actions range from {actions.min()} to {actions.max()}, outside {space}. Give actions in that space, not "
            "rescaled ones."
        )


def vector_space(size: int) -> spaces.Box:
    """Returns the action space of V-D4RL: ``size`` numbers in [-1, 1]."""
    return spaces.Box(-1.0, 1.0, (size,), np.float32)
