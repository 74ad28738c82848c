"""What our d3rlpy buffers leave to d3rlpy: real episodes, and everything that is told of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import numpy as np
from d3rlpy.dataset import DatasetInfo, EpisodeBase, ReplayBufferBase, Transition

from synth_replay.buffers.engine import SynthesisEngine, SynthesisStats
from synth_replay.encoders import cached_encoder
from synth_replay.errors import UnsupportedBufferError


class WrappingBuffer(ReplayBufferBase):  # type: ignore[misc]
    """A d3rlpy buffer that leaves all but the batches to another one, ``dataset``."""

    dataset: ReplayBufferBase

    def append(self, observation: Any, action: Any, reward: Any) -> None:
        """Stores a step, as d3rlpy does."""
        self.dataset.append(observation, action, reward)

    def append_episode(self, episode: EpisodeBase) -> None:
        """Stores a whole episode."""
        self.dataset.append_episode(episode)

    def clip_episode(self, terminated: bool) -> None:
        """Ends the running episode."""
        self.dataset.clip_episode(terminated)

    def sample_transition(self) -> Transition:
        """One real transition, by d3rlpy itself."""
        return self.dataset.sample_transition()

    def sample_trajectory(self, length: int) -> Any:
        """By d3rlpy itself."""
        return self.dataset.sample_trajectory(length)

    def sample_trajectory_batch(self, batch_size: int, length: int) -> Any:
        """By d3rlpy itself."""
        return self.dataset.sample_trajectory_batch(batch_size, length)

    def dump(self, f: BinaryIO) -> None:
        """Writes the real episodes as d3rlpy does."""
        self.dataset.dump(f)

    @property
    def episodes(self) -> Sequence[EpisodeBase]:
        """The real episodes."""
        episodes: Sequence[EpisodeBase] = self.dataset.episodes
        return episodes

    def size(self) -> int:
        """Number of real episodes."""
        return int(self.dataset.size())

    @property
    def buffer(self) -> Any:
        """The wrapped buffer's own."""
        return self.dataset.buffer

    @property
    def transition_count(self) -> int:
        """Number of real transitions."""
        return int(self.dataset.transition_count)

    @property
    def transition_picker(self) -> Any:
        """The wrapped buffer's own."""
        return self.dataset.transition_picker

    @property
    def trajectory_slicer(self) -> Any:
        """The wrapped buffer's own."""
        return self.dataset.trajectory_slicer

    @property
    def dataset_info(self) -> DatasetInfo:
        """The wrapped buffer's own."""
        return self.dataset.dataset_info


class HostBuffer(WrappingBuffer):
    """A d3rlpy buffer that stores into another one and counts the steps for an engine.

    Subclasses set ``dataset``, the buffer of the real episodes, and ``engine``, and give ``sample_transition_batch``.
    """

    engine: SynthesisEngine
    encoder: str | Path | None = None
    _open_steps = 0

    @property
    def stats(self) -> SynthesisStats:
        """Refreshes, losses, shares: see :class:`~synth_replay.buffers.engine.SynthesisStats`."""
        return self.engine.stats

    def __setstate__(self, state: dict[str, Any]) -> None:
        """An episode that was running when the buffer was pickled ends here: nobody can go on with it."""
        self.__dict__ |= state
        if self._open_steps:
            self.clip_episode(False)

    def append(self, observation: Any, action: Any, reward: Any) -> None:
        """Stores a step, as d3rlpy does, and counts it; frames as latents, where the buffer has an encoder."""
        if self.encoder is not None and np.shape(observation) == (frozen := cached_encoder(self.encoder)).pixel_shape:
            observation = frozen.encode(np.asarray(observation)[None])[0]
        super().append(observation, action, reward)
        self._open_steps += 1
        self.engine.notify()

    def append_episode(self, episode: EpisodeBase) -> None:
        """Stores a whole episode and counts its steps."""
        if self._open_steps:
            raise UnsupportedBufferError("An episode is running: call clip_episode() before append_episode().")
        super().append_episode(episode)
        self.engine.notify(episode.transition_count)

    def clip_episode(self, terminated: bool) -> None:
        """Ends the running episode."""
        super().clip_episode(terminated)
        self._open_steps = 0

    def sample_trajectory(self, length: int) -> NoReturn:  # noqa: ARG002
        """Not possible with generated transitions."""
        raise UnsupportedBufferError(
            "Decision Transformer and other trajectory models need whole sequences; generated transitions have no "
            "neighbours. Train them on the wrapped dataset itself (buffer.dataset)."
        )

    def sample_trajectory_batch(self, batch_size: int, length: int) -> NoReturn:  # noqa: ARG002
        """Not possible with generated transitions."""
        self.sample_trajectory(length)
