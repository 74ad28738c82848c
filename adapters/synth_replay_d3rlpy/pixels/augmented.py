"""A d3rlpy buffer whose batches are augmented frames."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, NoReturn

from d3rlpy.dataset import ReplayBufferBase, TransitionMiniBatch

from synth_replay.errors import UnsupportedBufferError
from synth_replay.spaces import Array
from synth_replay_d3rlpy.host import WrappingBuffer

# Observations and next observations [n, C, H, W] of a batch to augmented ones of the same shape
BatchAugmenter = Callable[[Array, Array], tuple[Array, Array]]


class AugmentedReplayBuffer(WrappingBuffer):
    """A d3rlpy buffer with augmented batches; episodes, evaluators and scalers see the frames unchanged.

    Args:
        dataset: d3rlpy buffer of frames.
        augmenter: A :class:`~synth_replay.augment.PixelAugmenter`, or any callable that maps the observations and next
            observations of a batch to augmented ones of the same shape.
    """

    def __init__(self, dataset: ReplayBufferBase, augmenter: BatchAugmenter) -> None:
        self.dataset, self.augmenter = dataset, augmenter

    def sample_transition_batch(self, batch_size: int) -> TransitionMiniBatch:
        """Samples a batch of the dataset and augments it; next observations after a termination stay zero."""
        batch = self.dataset.sample_transition_batch(batch_size)
        before, after = self.augmenter(batch.observations, batch.next_observations)
        after[batch.terminals.reshape(-1) > 0] = 0
        return dataclasses.replace(batch, observations=before, next_observations=after)

    @classmethod
    def load(cls, *args: Any, **kwargs: Any) -> NoReturn:  # noqa: ARG003
        """Refuses to load: a file holds the dataset without its augmentation.

        Raises:
            UnsupportedBufferError: Always.
        """
        raise UnsupportedBufferError(
            "A file holds the dataset without its augmentation. Load the dataset, then wrap it: "
            "AugmentedReplayBuffer(dataset, ...)."
        )

    from_episode_generator = load
