"""An episode of frames, and transitions with stacked frames made from episodes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synth_replay.datasets.episodes import Columns, join_episodes
from synth_replay.errors import ConfigError, InvalidTransitionsError
from synth_replay.spaces import Array
from synth_replay.transitions import Transitions

Frames = NDArray[np.uint8]
Indices = NDArray[np.int64]

CHUNK_ROWS = 512  # 65 MB of stacked 84 px observations and next observations
FRAME_STACK = 3


@dataclass(frozen=True, eq=False)
class PixelEpisode:
    """One episode of T steps, each frame stored once.

    Args:
        frames: ``[T + 1, C, H, W]`` uint8 with C = 1 or 3; frame t is the one before step t. Floats are accepted if
            they are whole numbers from 0 to 255. ``[T, C, H, W]`` if the episode terminated and its source does not
            store the frame after the termination.
        actions: ``[T, ...]``; stored as float32, or as int64 if they are whole numbers.
        rewards: ``[T]`` or ``[T, 1]``; stored as float32 ``[T]``.
        terminated: Whether the last step was a termination; False for a time limit.
        level_seed: Level of a procedural game; None if unknown.

    Raises:
        InvalidTransitionsError: If lengths do not fit, frames are not pixels or have their channels last, or a value
            is not finite.
    """

    frames: Any
    actions: Any
    rewards: Any
    terminated: bool
    level_seed: int | None = None

    def __post_init__(self) -> None:
        for name, convert in (("frames", _frames), ("actions", _actions), ("rewards", _rewards)):
            object.__setattr__(self, name, convert(np.asarray(getattr(self, name))))
        steps = len(self)
        if steps == 0:
            raise InvalidTransitionsError("An episode needs at least 1 step; this one has none.")
        if len(self.actions) != steps:
            raise InvalidTransitionsError(f"An episode of {steps} rewards needs as many actions: {len(self.actions)}.")
        if len(self.frames) != steps + 1 and not (self.terminated and len(self.frames) == steps):
            raise InvalidTransitionsError(
                f"{steps} steps need {steps + 1} frames, with the one after the last step; got {len(self.frames)}. "
                "Only the frame after a termination may be missing."
            )

    def __len__(self) -> int:
        return len(self.rewards)

    def stacks(self, frame_stack: int = FRAME_STACK) -> tuple[Indices, Indices]:
        """Returns which frames are stacked in the observation and in the next observation of each step.

        The first stacks repeat the first frame, as in DrQ and V-D4RL. If the frame after a termination is missing, the
        next stack equals the stack: s' = s.

        Args:
            frame_stack: Frames of one observation.

        Returns:
            Two ``[T, frame_stack]`` int64 arrays of indices into ``frames``, oldest frame first.
        """
        _require_positive("frame_stack", frame_stack)
        before = np.arange(len(self))
        after = np.minimum(before + 1, len(self.frames) - 1)
        back = np.arange(1 - frame_stack, 1)
        return np.maximum(before[:, None] + back, 0), np.maximum(after[:, None] + back, 0)


def stack_transitions(
    episodes: Iterable[PixelEpisode], rows: int = CHUNK_ROWS, frame_stack: int = FRAME_STACK
) -> Iterator[Transitions]:
    """Streams the transitions of episodes in order; a stack never contains frames of two episodes.

    Memory holds a few chunks and one episode at a time.

    Args:
        episodes: Episodes, read one at a time.
        rows: Rows of a chunk (the last one may be shorter).
        frame_stack: Frames of one observation.

    Returns:
        Chunks with uint8 observations ``[rows, frame_stack * C, H, W]``. The last row of an episode that did not
        terminate is marked as truncated.

    Raises:
        ConfigError: If ``rows`` or ``frame_stack`` is not positive.
        DatasetFormatError: If episodes differ in their frames' shape or their actions' kind.
    """
    _require_positive("rows", rows)
    _require_positive("frame_stack", frame_stack)
    parts = (part for episode in episodes for part in _parts(episode, rows, frame_stack))
    return map(Transitions.from_leaves, join_episodes(parts, rows))


def _parts(episode: PixelEpisode, rows: int, frame_stack: int) -> Iterator[Columns]:
    before, after = episode.stacks(frame_stack)
    ends = np.zeros(len(episode), bool)
    ends[-1] = True
    for start in range(0, len(episode), rows):
        part = slice(start, start + rows)
        yield {
            "observations": _stacked(episode.frames, before[part]),
            "actions": episode.actions[part],
            "rewards": episode.rewards[part],
            "next_observations": _stacked(episode.frames, after[part]),
            "terminations": ends[part] & episode.terminated,
            "truncations": ends[part] & (not episode.terminated),
        }


def _stacked(frames: Frames, numbers: Indices) -> Frames:
    return frames[numbers].reshape(len(numbers), -1, *frames.shape[2:])


def _require_positive(name: str, value: int) -> None:
    if value < 1:
        raise ConfigError(f"{name} must be at least 1; got {value}.")


def _frames(array: Array) -> Frames:
    if array.ndim != 4 or array.shape[1] not in (1, 3):
        last = array.ndim == 4 and array.shape[-1] in (1, 3)
        raise InvalidTransitionsError(
            f"Frames need the shape [T + 1, channels, height, width] with 1 or 3 channels; got {list(array.shape)}"
            + (": the channels come last, so transpose them with frames.transpose(0, 3, 1, 2)." if last else ".")
        )
    return as_pixels(array)


def as_pixels(array: Array) -> Frames:
    """Returns frames as uint8, without a copy if they are uint8 already.

    Raises:
        InvalidTransitionsError: If a value is not a whole number from 0 to 255.
    """
    if array.dtype == np.uint8:
        return array
    if array.dtype.kind not in "iuf":
        raise InvalidTransitionsError(f"Frames hold {array.dtype} values; pixels are whole numbers from 0 to 255.")
    if array.size and not (array.min() >= 0 and array.max() <= 255):
        raise InvalidTransitionsError(
            f"Frames range from {array.min()} to {array.max()}; pixels are whole numbers from 0 to 255. Undo "
            "their normalisation."
        )
    whole = array.astype(np.uint8)
    if (whole != array).any():
        raise InvalidTransitionsError(
            "Frames hold fractions; pixels are whole numbers from 0 to 255. Multiply scaled frames by 255 and round."
        )
    return whole


def _actions(array: Array) -> Array:
    if array.ndim == 0 or array.dtype.kind not in "iuf":
        raise InvalidTransitionsError(f"Actions must be an array of numbers; got {array.dtype} of shape {array.shape}.")
    return _finite("Actions", array.astype(np.float32 if array.dtype.kind == "f" else np.int64, copy=False))


def _rewards(array: Array) -> Array:
    if array.ndim == 0 or array.size != len(array) or array.dtype.kind not in "biuf":
        raise InvalidTransitionsError(f"Rewards must be one number per step; got {array.dtype} of {array.shape}.")
    return _finite("Rewards", array.reshape(-1).astype(np.float32, copy=False))


def _finite(name: str, array: Array) -> Array:
    if bad := int((~np.isfinite(array)).sum()):
        raise InvalidTransitionsError(f"{name} hold {bad} values that are NaN or infinite. Drop the episode.")
    return array
