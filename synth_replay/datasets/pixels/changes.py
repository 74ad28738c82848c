"""Datasets of frames made of others: mixed in given shares, or with changed frames."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from synth_replay.datasets.pixels.dataset import PixelDataset
from synth_replay.datasets.pixels.episode import Frames, Indices, PixelEpisode
from synth_replay.errors import ConfigError, DatasetError, InvalidTransitionsError, SpecMismatchError
from synth_replay.spaces import Array


class ChosenPixels(PixelDataset):
    """Some episodes of a dataset, read when they are asked for.

    Args:
        dataset: The dataset.
        numbers: ``[episodes]``, which of its episodes; rising numbers are read fastest.
    """

    format = "chosen"

    def __init__(self, dataset: PixelDataset, numbers: Array) -> None:
        self._dataset, self._numbers = dataset, np.asarray(numbers, np.int64)
        lengths = dataset.lengths[self._numbers]
        super().__init__(dataset.path, lengths, dataset.frame_shape, dataset.action_space, dataset.notes)

    @property
    def fingerprint(self) -> str:
        """Of the dataset, and of which episodes were taken."""
        return hashlib.sha256(self._dataset.fingerprint.encode() + self._numbers.tobytes()).hexdigest()

    def _read(self, numbers: Sequence[int]) -> Iterator[PixelEpisode]:
        return self._dataset.episodes(self._numbers[list(numbers)].tolist())


class MixedPixels(PixelDataset):
    """Whole episodes of two datasets, in random order; see :func:`mix_episodes`.

    Attributes:
        share: Share of transitions that come from the second dataset.
        sources: ``[episodes]``, 0 or 1: which dataset each episode is from.
    """

    format = "mixed"

    def __init__(self, datasets: tuple[PixelDataset, PixelDataset], chosen: tuple[Array, Array], order: Array) -> None:
        first = datasets[0]
        self._datasets, self.sources = datasets, order
        self._numbers = np.empty(len(order), np.int64)
        lengths = np.empty(len(order), np.int64)
        for source, numbers in enumerate(chosen):
            mine = order == source
            self._numbers[mine] = np.sort(numbers)  # rising numbers are read fastest
            lengths[mine] = datasets[source].lengths[self._numbers[mine]]
        notes = [note for dataset in datasets for note in dataset.notes]
        self._digest = hashlib.sha256(b"".join(np.ascontiguousarray(a).tobytes() for a in (order, self._numbers)))
        super().__init__(first.path, lengths, first.frame_shape, first.action_space, notes)
        self.share = float(self.lengths[order == 1].sum() / len(self))

    @property
    def fingerprint(self) -> str:
        """Of both datasets, and of which episodes were taken."""
        parts = [dataset.fingerprint for dataset in self._datasets] + [self._digest.hexdigest()]
        return hashlib.sha256("".join(parts).encode()).hexdigest()

    def _read(self, numbers: Sequence[int]) -> Iterator[PixelEpisode]:
        sources, places = self.sources[list(numbers)], self._numbers[list(numbers)]
        streams = [dataset.episodes(places[sources == i].tolist()) for i, dataset in enumerate(self._datasets)]
        for source in sources.tolist():
            yield next(streams[source])


def mix_episodes(plain: PixelDataset, distracting: PixelDataset, share: float = 0.05, *, seed: int) -> MixedPixels:
    """A dataset of the plain one's size in which a share of the transitions is from a distracting one.

    With 5 % of V-D4RL's fixed distracting data, this is the composite of arXiv 2508.12356, Table 2. Episodes are drawn
    without replacement and stay whole: each part is met to within half an episode, and has at least one. What came out
    is the result's ``share``.

    Args:
        plain: The dataset to keep 1 - share of.
        distracting: The dataset to take the rest from.
        share: Of transitions, above 0 and below 1.
        seed: Decides which episodes are taken, and their order.

    Raises:
        ConfigError: If the share is not between 0 and 1.
        SpecMismatchError: If the datasets differ in frames or actions.
        DatasetError: If the distracting dataset is too small.
    """
    if not 0 < share < 1:
        raise ConfigError(f"share is the part of transitions that distracting data make up, in (0, 1); got {share}.")
    for name in ("frame_shape", "action_space"):
        one, other = getattr(plain, name), getattr(distracting, name)
        if one != other:
            raise SpecMismatchError(
                f"Datasets of different kinds cannot be mixed: {name} is {one} here, {other} there."
            )
    wanted = share * len(plain)
    if wanted > len(distracting) + distracting.lengths.mean() / 2:
        raise DatasetError(
            f"A share of {share:g} of {len(plain)} transitions takes {wanted:.0f}; {distracting.path} holds "
            f"{len(distracting)}. Give more distracting data or a smaller share."
        )
    rng = np.random.default_rng(seed)
    taken = _draw(distracting.lengths, wanted, rng)
    kept = _draw(plain.lengths, len(plain) - float(distracting.lengths[taken].sum()), rng)
    order = rng.permutation(np.repeat([0, 1], [len(kept), len(taken)]))
    return MixedPixels((plain, distracting), (kept, taken), order)


def transform_episodes(
    episodes: Iterable[PixelEpisode], transform: Callable[[Frames], Array]
) -> Iterator[PixelEpisode]:
    """Streams episodes with changed frames, to store them. For a random change see :func:`augment_episodes`.

    Args:
        episodes: Read one after the other.
        transform: Maps the uint8 frames of an episode, ``[T + 1, C, H, W]``, to as many; another size is allowed.

    Raises:
        InvalidTransitionsError: If it returns another number of frames, or values that are no pixels.
    """
    for episode in episodes:
        frames = np.asarray(transform(episode.frames))
        if len(frames) != len(episode.frames):
            raise InvalidTransitionsError(
                f"The transform made {len(frames)} frames of {len(episode.frames)}: it must keep their number."
            )
        yield replace(episode, frames=frames)


def augment_episodes(episodes: Iterable[PixelEpisode], augmenter: Callable[[Frames], Array]) -> Iterator[PixelEpisode]:
    """Streams augmented episodes, to augment once and store.

    A stored frame belongs to several stacks, and is the next observation of one transition and the observation of
    another: so that all of them agree, an episode has one draw for all of its frames.

    Args:
        episodes: Read one after the other.
        augmenter: A :class:`~synth_replay.augment.pixels.PixelAugmenter` with ``channels_last=False``, or another
            function that augments each row of ``[B, S*C, H, W]`` by one draw.

    Raises:
        InvalidTransitionsError: If it returns another shape, or values that are no pixels.
    """

    def as_one_stack(frames: Frames) -> Array:
        stack = frames.reshape(1, -1, *frames.shape[2:])
        made = np.asarray(augmenter(stack))
        if made.shape != stack.shape:
            raise InvalidTransitionsError(f"The augmenter made {list(made.shape)} of {list(stack.shape)}: not alike.")
        return made.reshape(frames.shape)

    return transform_episodes(episodes, as_one_stack)


def _draw(lengths: Indices, target: float, rng: np.random.Generator) -> Array:
    """Numbers of random episodes, at least one, whose lengths come closest to the target."""
    order = rng.permutation(len(lengths))
    count = np.abs(np.cumsum(lengths[order]) - target).argmin() + 1
    return order[:count]
