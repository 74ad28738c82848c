"""The entries of two d3rlpy buffers in one storage."""

from __future__ import annotations

from collections.abc import Sequence

from d3rlpy.dataset import EpisodeBase, ReplayBufferBase

from synth_replay_d3rlpy.entries import Entry


class BothStorages:
    """An offline dataset and a buffer of online steps, as one storage with d3rlpy's interface.

    Args:
        offline: Offline dataset.
        online: Buffer of the online steps, to which :meth:`append` writes.
    """

    def __init__(self, offline: ReplayBufferBase, online: ReplayBufferBase) -> None:
        self._offline, self._online = offline, online

    def __len__(self) -> int:
        return self.transition_count

    def __getitem__(self, index: int) -> Entry:
        """Returns an episode and the number of one of its steps; offline entries come first.

        Raises:
            IndexError: If there is no such entry.
        """
        number = index + len(self) if index < 0 else index
        if not 0 <= number < len(self):
            raise IndexError(f"There are {len(self)} entries; got the index {index}.")
        first = int(self._offline.transition_count)
        entry: Entry = self._offline.buffer[number] if number < first else self._online.buffer[number - first]
        return entry

    def append(self, episode: EpisodeBase, index: int) -> None:
        """Stores a step of an episode among the online ones."""
        self._online.buffer.append(episode, index)

    @property
    def episodes(self) -> Sequence[EpisodeBase]:
        """Episodes, the offline ones first."""
        return [*self._offline.episodes, *self._online.episodes]

    @property
    def transition_count(self) -> int:
        """Number of offline and online transitions."""
        return int(self._offline.transition_count + self._online.transition_count)
