"""What our buffers leave to d3rlpy: real episodes, and everything about them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from d3rlpy.dataset import DatasetInfo, EpisodeBase, ReplayBufferBase, Transition
from gymnasium import spaces

from synth_replay.buffers.engine import SynthesisEngine
from synth_replay.buffers.incoming import refuse_nonfinite
from synth_replay.buffers.stats import SynthesisStats
from synth_replay.buffers.store import HostColumns
from synth_replay.encoders import cached_encoder
from synth_replay.transitions import Transitions
from synth_replay_d3rlpy.batch import RowLayout
from synth_replay_d3rlpy.conversion import host_columns
from synth_replay_d3rlpy.refusals import refuse_other_shapes, refuse_running_episode, refuse_trajectories


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
        """Samples one real transition, as d3rlpy does."""
        return self.dataset.sample_transition()

    def sample_trajectory(self, length: int) -> Any:
        """Samples a trajectory, as d3rlpy does."""
        return self.dataset.sample_trajectory(length)

    def sample_trajectory_batch(self, batch_size: int, length: int) -> Any:
        """Samples trajectories, as d3rlpy does."""
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
        """Returns the number of real episodes."""
        return int(self.dataset.size())

    @property
    def buffer(self) -> Any:
        """Storage of the wrapped buffer."""
        return self.dataset.buffer

    @property
    def transition_count(self) -> int:
        """Number of real transitions."""
        return int(self.dataset.transition_count)

    @property
    def transition_picker(self) -> Any:
        """Transition picker of the wrapped buffer."""
        return self.dataset.transition_picker

    @property
    def trajectory_slicer(self) -> Any:
        """Trajectory slicer of the wrapped buffer."""
        return self.dataset.trajectory_slicer

    @property
    def dataset_info(self) -> DatasetInfo:
        """Signatures and action space of the wrapped buffer."""
        return self.dataset.dataset_info


class HostBuffer(WrappingBuffer):
    """A d3rlpy buffer that stores into another one and counts the steps for an engine.

    Subclasses set ``dataset``, the buffer of the real episodes, ``engine`` and the space of observations, and give
    ``sample_transition_batch`` and the layout of its rows.
    """

    engine: SynthesisEngine
    observation_space: spaces.Space[Any]
    encoder: str | Path | None = None
    _open_steps = 0

    @property
    def stats(self) -> SynthesisStats:
        """Refreshes, losses and shares up to now."""
        return self.engine.stats

    def row_layout(self) -> RowLayout:
        """Returns the layout of a batch's rows."""
        raise NotImplementedError

    def to_host(self, rows: Transitions) -> HostColumns:
        """Returns rows in environment units as the stores keep them."""
        return host_columns(rows, self.observation_space, self.row_layout())

    def __setstate__(self, state: dict[str, Any]) -> None:
        """An episode that was running when the buffer was pickled ends here: nobody can continue it."""
        self.__dict__ |= state
        if self._open_steps:
            self.clip_episode(False)

    def append(self, observation: Any, action: Any, reward: Any) -> None:
        """Stores a step, as d3rlpy does, and counts it. A buffer with an encoder stores frames as latents.

        Raises:
            InvalidTransitionsError: If a value is NaN or infinite, unless no rows are ever generated.
        """
        if self.encoder is not None and np.shape(observation) == (frozen := cached_encoder(self.encoder)).pixel_shape:
            observation = frozen.encode(np.asarray(observation)[None])[0]
        if not self.engine.mixture.rule.never:
            rows = {"action": np.asarray(action)[None], "reward": np.asarray(reward)[None]}
            refuse_nonfinite(rows | _parts(observation), self.engine.steps, self.transition_count)
        super().append(observation, action, reward)
        self._open_steps += 1
        self.engine.notify()

    def append_episode(self, episode: EpisodeBase) -> None:
        """Stores a whole episode and counts its steps.

        Raises:
            SpecMismatchError: If its shapes differ from those of the buffer, unless no rows are ever generated.
            UnsupportedBufferError: If another episode is running.
        """
        refuse_running_episode(self._open_steps)
        if not self.engine.mixture.rule.never:
            refuse_other_shapes(self.dataset, episode)
        super().append_episode(episode)
        self.engine.notify(episode.transition_count)

    def clip_episode(self, terminated: bool) -> None:
        """Ends the running episode. Does nothing if none runs, where d3rlpy would store an entry without a step."""
        if self._open_steps or not _between_episodes(self.dataset):
            super().clip_episode(terminated)
        self._open_steps = 0

    def sample_trajectory(self, length: int) -> Any:
        """Samples a trajectory, as d3rlpy does, if nothing is generated.

        Raises:
            UnsupportedBufferError: If batches hold generated rows, which have no neighbours.
        """
        self._require_sequences()
        return super().sample_trajectory(length)

    def sample_trajectory_batch(self, batch_size: int, length: int) -> Any:
        """Samples trajectories, as d3rlpy does, if nothing is generated.

        Raises:
            UnsupportedBufferError: If batches hold generated rows, which have no neighbours.
        """
        self._require_sequences()
        return super().sample_trajectory_batch(batch_size, length)

    def _require_sequences(self) -> None:
        if not self.engine.mixture.rule.never:
            refuse_trajectories()


def _between_episodes(dataset: ReplayBufferBase) -> bool:
    """Returns whether no episode is running; False if the writer does not show it."""
    running = getattr(getattr(dataset, "_writer", None), "_active_episode", None)
    return running is not None and running.size() == 0


def _parts(observation: Any) -> dict[str, Any]:
    """Returns an observation, or each of its parts, as one row."""
    parts = observation if isinstance(observation, (list, tuple)) else [observation]
    if all(np.ndim(part) == 0 for part in parts):  # a list of numbers
        return {"observation": np.asarray(observation)[None]}
    return {f"observation {i}" if len(parts) > 1 else "observation": np.asarray(p)[None] for i, p in enumerate(parts)}
