"""Checks of batches of stacked frames, and detection of their layout."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from synth_replay.errors import InvalidTransitionsError, SpecMismatchError

Frames = TypeVar("Frames", NDArray[Any], Tensor)


def checked_stacks(
    batches: Sequence[NDArray[Any] | Tensor], frame_channels: int, channels_last: bool | None
) -> tuple[list[Tensor], bool]:
    """Checks batches of stacked frames of the same transitions.

    Args:
        batches: Observations, and next observations if there are any: ``[B, S*C, H, W]`` or ``[B, H, W, S*C]``.
        frame_channels: Number C of channels of one frame.
        channels_last: Layout of the batches, or None to infer it from the shape.

    Returns:
        The batches as tensors that share their memory, and whether their channels come last.

    Raises:
        InvalidTransitionsError: If rank, dtype or channel order are wrong, or values lie outside [0, 255].
        SpecMismatchError: If the two differ in shape or type.
    """
    stacks = [_as_tensor(batch) for batch in batches]
    first = stacks[0]
    for other in stacks[1:]:
        if other.shape != first.shape or other.dtype != first.dtype or other.device != first.device:
            raise SpecMismatchError(
                f"Observations are {_described(first)}, next observations {_described(other)}; they must be alike."
            )
    last = _channels_last(first.shape, frame_channels, channels_last)
    for stack in stacks:
        _check_values(stack)
    return stacks, last


def _as_tensor(batch: NDArray[Any] | Tensor) -> Tensor:
    if isinstance(batch, np.ndarray):
        if batch.dtype != np.uint8 and not np.issubdtype(batch.dtype, np.floating):
            raise InvalidTransitionsError(f"Frames must be uint8, or floats in [0, 255], not {batch.dtype}.")
        # torch warns about read-only memory and does not support negative strides
        batch = torch.from_numpy(np.require(batch, requirements=["C", "W"]))
    if not isinstance(batch, Tensor):
        raise InvalidTransitionsError(f"Frames must be a NumPy array or a tensor, not {type(batch).__name__}.")
    if batch.dtype != torch.uint8 and not batch.is_floating_point():
        raise InvalidTransitionsError(f"Frames must be uint8, or floats in [0, 255], not {batch.dtype}.")
    return batch.detach()


def _described(stack: Tensor) -> str:
    return f"{stack.dtype} {list(stack.shape)} on {stack.device}"


def _channels_last(shape: torch.Size, frame_channels: int, told: bool | None) -> bool:
    """Infers the layout: channels are a multiple of a frame's, and fewer than the rows and columns of pixels."""
    if len(shape) != 4:
        raise InvalidTransitionsError(f"Frames must be [B, S*C, H, W] or [B, H, W, S*C], not {list(shape)}.")
    first, middle, last = shape[1:]
    looks = True if last < min(first, middle) else False if first < min(middle, last) else None
    if looks is None and told is None:
        raise InvalidTransitionsError(f"The layout of frames {list(shape)} is unclear; pass channels_last.")
    if None not in (looks, told) and looks is not told:
        raise InvalidTransitionsError(f"channels_last is {told}, but frames {list(shape)} look like the reverse.")
    chosen = bool(told if looks is None else looks)
    channels = last if chosen else first
    if channels == 0 or channels % frame_channels:
        raise InvalidTransitionsError(
            f"Frames {list(shape)} have {channels} channels, no multiple of frame_channels={frame_channels}."
        )
    return chosen


def _check_values(stack: Tensor) -> None:
    if stack.dtype == torch.uint8 or not stack.numel():
        return
    low, high = (float(edge) for edge in stack.aminmax())  # one NaN makes both NaN
    if not (low >= 0 and high <= 255):
        raise InvalidTransitionsError(f"Float frames must lie in [0, 255] without NaN; these span [{low}, {high}].")
    if high <= 1 and bool((stack != stack.floor()).any()):
        raise InvalidTransitionsError("Float frames must lie in [0, 255]; these look like [0, 1]: multiply by 255.")
