"""Episodes with changed frames: transformed by a function, or augmented at random."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import numpy as np

from synth_replay.datasets.pixels.episode import Frames, PixelEpisode
from synth_replay.errors import InvalidTransitionsError
from synth_replay.spaces import Array


def transform_episodes(
    episodes: Iterable[PixelEpisode], transform: Callable[[Frames], Array]
) -> Iterator[PixelEpisode]:
    """Streams episodes with transformed frames, to store them. For random changes use :func:`augment_episodes`.

    Args:
        episodes: Episodes, read one at a time.
        transform: Maps the uint8 frames of an episode, ``[T + 1, C, H, W]``, to as many frames of any size.

    Raises:
        InvalidTransitionsError: If it returns another number of frames, or values that are not pixels.
    """
    for episode in episodes:
        frames = np.asarray(transform(episode.frames))
        if len(frames) != len(episode.frames):
            raise InvalidTransitionsError(
                f"The transform returned {len(frames)} frames for {len(episode.frames)}: it must keep their number."
            )
        yield replace(episode, frames=frames)


def augment_episodes(episodes: Iterable[PixelEpisode], augmenter: Callable[[Frames], Array]) -> Iterator[PixelEpisode]:
    """Streams augmented episodes, to augment a dataset once and store it.

    A stored frame belongs to several stacks: it is the next observation of one transition and the observation of
    another. So that all of them agree, one random draw augments all frames of an episode.

    Args:
        episodes: Episodes, read one at a time.
        augmenter: A :class:`~synth_replay.augment.PixelAugmenter` with ``channels_last=False``, or another
            function that augments each row of ``[B, S*C, H, W]`` by one draw.

    Raises:
        InvalidTransitionsError: If it returns another shape, or values that are not pixels.
    """

    def as_one_stack(frames: Frames) -> Array:
        stack = frames.reshape(1, -1, *frames.shape[2:])
        made = np.asarray(augmenter(stack))
        if made.shape != stack.shape:
            raise InvalidTransitionsError(
                f"The augmenter returned shape {list(made.shape)} for {list(stack.shape)}: it must keep the shape."
            )
        return made.reshape(frames.shape)

    return transform_episodes(episodes, as_one_stack)
