"""Datasets of frames made from others: some episodes of one, or a mixture of two in given shares."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np

from synth_replay.datasets.pixels.dataset import PixelDataset
from synth_replay.datasets.pixels.episode import Indices, PixelEpisode
from synth_replay.errors import ConfigError, DatasetError, SpecMismatchError
from synth_replay.spaces import Array


class PixelSubset(PixelDataset):
    """Some episodes of a dataset, which are read when they are needed.

    Args:
        dataset: Dataset to choose from.
        numbers: ``[episodes]``, numbers of the chosen episodes; ascending numbers are read fastest.
    """

    format = "chosen"

    def __init__(self, dataset: PixelDataset, numbers: Array) -> None:
        self._dataset, self._numbers = dataset, np.asarray(numbers, np.int64)
        lengths = dataset.lengths[self._numbers]
        super().__init__(dataset.path, lengths, dataset.frame_shape, dataset.action_space, dataset.notes)

    @property
    def fingerprint(self) -> str:
        """A hash of the dataset's fingerprint and of the numbers of the chosen episodes."""
        return hashlib.sha256(self._dataset.fingerprint.encode() + self._numbers.tobytes()).hexdigest()

    def _read(self, numbers: Sequence[int]) -> Iterator[PixelEpisode]:
        return self._dataset.episodes(self._numbers[list(numbers)].tolist())


class MixedPixelDataset(PixelDataset):
    """Whole episodes of two datasets in random order, as :func:`mix_episodes` makes them.

    Args:
        datasets: The two datasets.
        chosen: Numbers of the episodes that are taken from each dataset.
        order: ``[episodes]``, 0 or 1: the dataset of each episode of the mixture.

    Attributes:
        share: Share of the transitions that come from the second dataset.
        sources: ``[episodes]``, 0 or 1: the dataset of each episode.
    """

    format = "mixed"

    def __init__(self, datasets: tuple[PixelDataset, PixelDataset], chosen: tuple[Array, Array], order: Array) -> None:
        first = datasets[0]
        self._datasets, self.sources = datasets, order
        self._numbers = np.empty(len(order), np.int64)
        lengths = np.empty(len(order), np.int64)
        for source, numbers in enumerate(chosen):
            mine = order == source
            self._numbers[mine] = np.sort(numbers)  # ascending numbers are read fastest
            lengths[mine] = datasets[source].lengths[self._numbers[mine]]
        notes = [note for dataset in datasets for note in dataset.notes]
        self._digest = hashlib.sha256(b"".join(np.ascontiguousarray(a).tobytes() for a in (order, self._numbers)))
        super().__init__(first.path, lengths, first.frame_shape, first.action_space, notes)
        self.share = float(self.lengths[order == 1].sum() / len(self))

    @property
    def fingerprint(self) -> str:
        """A hash of both datasets' fingerprints and of the numbers and order of the chosen episodes."""
        parts = [dataset.fingerprint for dataset in self._datasets] + [self._digest.hexdigest()]
        return hashlib.sha256("".join(parts).encode()).hexdigest()

    def _read(self, numbers: Sequence[int]) -> Iterator[PixelEpisode]:
        sources, places = self.sources[list(numbers)], self._numbers[list(numbers)]
        streams = [dataset.episodes(places[sources == i].tolist()) for i, dataset in enumerate(self._datasets)]
        for source in sources.tolist():
            yield next(streams[source])


def mix_episodes(
    plain: PixelDataset, distracting: PixelDataset, share: float = 0.05, *, seed: int
) -> MixedPixelDataset:
    """Mixes two datasets: replaces a share of the plain one's transitions by transitions of a distracting one.

    With 5 % of V-D4RL's fixed distracting data, this is the composite of arXiv 2508.12356, Table 2. Episodes are drawn
    without replacement and stay whole. So the number of transitions of each part is met to within half an episode, and
    each part has at least one episode. The attribute ``share`` of the result is the exact share.

    Args:
        plain: Dataset of which a share of 1 - ``share`` is kept.
        distracting: Dataset that gives the rest.
        share: Share of the transitions that come from the distracting dataset, in (0, 1).
        seed: Seed of the choice and the order of the episodes.

    Returns:
        A dataset with about as many transitions as the plain one.

    Raises:
        ConfigError: If the share is not between 0 and 1.
        SpecMismatchError: If the datasets differ in frames or actions.
        DatasetError: If the distracting dataset is too small.
    """
    _require_mixable(plain, distracting, share)
    rng = np.random.default_rng(seed)
    taken = _draw(distracting.lengths, share * len(plain), rng)
    kept = _draw(plain.lengths, len(plain) - float(distracting.lengths[taken].sum()), rng)
    order = rng.permutation(np.repeat([0, 1], [len(kept), len(taken)]))
    return MixedPixelDataset((plain, distracting), (kept, taken), order)


def _require_mixable(plain: PixelDataset, distracting: PixelDataset, share: float) -> None:
    if not 0 < share < 1:
        raise ConfigError(
            f"share must be in (0, 1), the share of transitions from the distracting dataset; got {share}."
        )
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


def _draw(lengths: Indices, target: float, rng: np.random.Generator) -> Array:
    """Returns the numbers of random episodes, at least one, whose total length is closest to the target."""
    order = rng.permutation(len(lengths))
    count = np.abs(np.cumsum(lengths[order]) - target).argmin() + 1
    return order[:count]
