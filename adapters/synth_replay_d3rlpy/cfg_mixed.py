"""``CFGMixedBuffer(offline_dataset)``: offline-to-online learning with d3rlpy from four sources."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO, NoReturn, Unpack

import numpy as np
import torch
from d3rlpy.dataset import (
    DatasetInfo,
    EpisodeBase,
    FIFOBuffer,
    PartialTrajectory,
    ReplayBuffer,
    ReplayBufferBase,
    Signature,
    TrajectoryMiniBatch,
    Transition,
    TransitionMiniBatch,
    dump,
)
from gymnasium import spaces

from synth_replay.buffers.counts import whole_number
from synth_replay.buffers.options import MixedOptions, cfdg_engine, flat_signature
from synth_replay.buffers.real_rows import RealRows
from synth_replay.runtime import seed_from_numpy, show_progress
from synth_replay.spaces import Array
from synth_replay.transitions import Transitions
from synth_replay_d3rlpy.batch import PACKED, RowLayout
from synth_replay_d3rlpy.both import BothStorages
from synth_replay_d3rlpy.columns import EpisodeColumns
from synth_replay_d3rlpy.conversion import DEFAULT_GAMMA, to_transitions
from synth_replay_d3rlpy.entries import Entry
from synth_replay_d3rlpy.host import HostBuffer
from synth_replay_d3rlpy.offline import Offline
from synth_replay_d3rlpy.pixels.encoding import encode_offline
from synth_replay_d3rlpy.refusals import (
    refuse_episode_generator,
    refuse_generating,
    refuse_limit,
    refuse_loading,
    refuse_loose_trajectories,
)
from synth_replay_d3rlpy.sources import MixedRows, RowSource

LIMIT = 1_000_000


@flat_signature(MixedOptions)
class CFGMixedBuffer(HostBuffer):
    """A d3rlpy buffer for ``fit_online`` with an offline dataset and generated rows of both kinds (CFDG, Algorithm 1).

    Online steps go into a d3rlpy buffer of its own (``dataset``); the offline dataset stays as it is. A refit happens
    inside ``sample_transition_batch``. All else that d3rlpy reads (``episodes``, ``buffer``, ``size``,
    ``transition_count``, ``dump``) covers the real episodes of both kinds, the offline ones first.

    Args:
        offline: Any d3rlpy dataset; or the path of a dataset, the id of a local Minari dataset, or
            :class:`~synth_replay.Transitions`.
        env: Environment whose spaces are used; without one they are taken from the offline dataset.
        limit: Most online transitions kept.
        extra_columns: Columns that are modelled besides the transition: ``next_actions`` (ReBRAC), ``returns_to_go``
            (Cal-QL). None takes both for continuous actions, where the offline data have them.
        gamma: Discount of the returns-to-go; give the algorithm's.
        encoder: File of a :class:`~synth_replay.encoders.FrozenEncoder`. The offline frames are then encoded at once,
            and the environment gives latents (:class:`~synth_replay.encoders.LatentObservation`).
        seed: Seed of the generated part; None follows ``d3rlpy.seed``. Real rows are drawn from NumPy's global
            stream, as in d3rlpy.
        device: Device of the generator.
        **options: Keyword arguments of :class:`~synth_replay.buffers.MixedOptions` and
            :class:`~synth_replay.buffers.EngineOptions`.

    Attributes:
        last_sources: ``[B]`` int8, the source of each row of the last batch, an index of
            :data:`~synth_replay.buffers.SOURCES`. Rows of odd numbers are offline-like (lambda 1 in APL).

    Raises:
        ConfigError: If a value cannot be used.
        TypeError: If an option is unknown.
        DatasetError: If the offline dataset cannot be read.
        SpecMismatchError: If the dataset, or a saved generator, is of another environment.
        InvalidTransitionsError: If its values are invalid, or there are none.
        UnsupportedSpaceError: If a space cannot be modelled (``ImageObservationError`` for pixels).
        UnsupportedBufferError: If the offline dataset is a mixture of two buffers, or generates rows itself.
    """

    def __init__(
        self,
        offline: ReplayBufferBase | str | Path | Transitions,
        *,
        env: Any = None,
        limit: int = LIMIT,
        extra_columns: Sequence[str] | None = None,
        gamma: float = DEFAULT_GAMMA,
        encoder: str | Path | None = None,
        seed: int | None = None,
        device: str | torch.device = "auto",
        **options: Unpack[MixedOptions],
    ) -> None:
        refuse_generating(offline)
        self._of_env, self.gamma, self.encoder = env is not None, gamma, encoder
        wanted = None if env is None else (env.observation_space, env.action_space)
        if encoder is not None:
            offline = encode_offline(offline, encoder, show_progress(options.get("progress")))
        self._held = Offline(offline, wanted)
        self.observation_space, self.action_space = self._held.spaces
        self.extra_columns = self._held.extras(extra_columns)
        own_seed = seed_from_numpy() if seed is None else seed
        self.engine = cfdg_engine(*self._held.spaces, seed=own_seed, device=device, **options)
        self.dataset = _empty_like(self._held.sample, limit, env)
        self._online = EpisodeColumns(self.dataset)
        self._offline: RowSource = self._held.source()
        self.last_sources: Array = np.zeros(0, np.int8)

    @property
    def offline_dataset(self) -> ReplayBufferBase:
        """Offline data as a d3rlpy dataset; loose rows become episodes of one transition each."""
        return self._held.dataset

    # -- sampling ---------------------------------------------------------------------------

    def sample_transition_batch(self, batch_size: int) -> TransitionMiniBatch:
        """Draws a mixed, shuffled batch; ``last_sources`` says which row is from where.

        Args:
            batch_size: Rows in all; with ``concat`` the number of each source is exact.

        Returns:
            d3rlpy's own batch: float32 columns of at least two axes. Its ``transitions`` are made when asked for.
        """
        batch_size = whole_number("batch_size", batch_size, "rows", least=0)
        real: dict[str, RowSource] = {"online": self._online, "offline": self._offline}
        for source in real.values():
            source.sync()
        self.engine.update(self._real_rows(), self.to_host)
        counts = self.engine.plan(batch_size, **{name: len(source) for name, source in real.items()})
        drawn = [_row_numbers(len(source), counts[name]) for name, source in real.items()]
        parts = [source.pick(index) for source, index in zip(real.values(), drawn, strict=True) if len(index)]
        if counts.generated:
            parts.append(self.engine.draw(counts)[PACKED])
        order = self.engine.permutation(batch_size)
        rows = np.concatenate(parts).take(order, axis=0)
        number = np.concatenate([*drawn, np.zeros(counts.generated, np.int64)]).take(order)
        self.last_sources = counts.numbers(order)
        layout = self.row_layout()
        return layout.batch(rows, MixedRows(list(real.values()), layout, rows, self.last_sources, number))

    def row_layout(self) -> RowLayout:
        """Returns the layout of a batch's rows, which is the offline dataset's."""
        return self._held.layout

    def _real_rows(self) -> RealRows:
        held = {"offline": self._offline_transitions}
        return held | ({"online": self._online_transitions} if len(self._online) else {})

    def _transitions(self, columns: EpisodeColumns) -> Transitions:
        return to_transitions(columns, self.observation_space, self.action_space, self.extra_columns, self.gamma)

    def _offline_transitions(self) -> Transitions:
        if isinstance(self._offline, EpisodeColumns):
            return self._transitions(self._offline)
        assert self._held.rows is not None
        return self._held.rows

    def _online_transitions(self) -> Transitions:
        rows = self._transitions(self._online)
        if isinstance(self.action_space, spaces.Box):
            self._widen(rows.actions)
        return rows

    def _widen(self, actions: Array) -> None:
        """Widens the bounds to online actions beyond them, with a warning if they are the environment's."""
        held: Any = self.action_space
        low, high = np.minimum(held.low, actions.min(axis=0)), np.maximum(held.high, actions.max(axis=0))
        if not ((low < held.low).any() or (high > held.high).any()):
            return
        if self._of_env:
            warnings.warn(
                f"Online actions range from {low} to {high}, beyond the environment's [{held.low}, {held.high}]; "
                "they are learnt as they are. d3rlpy's policies act in [-1, 1] without an action_scaler.",
                stacklevel=2,
            )
        self.action_space = wider = spaces.Box(low.astype(np.float32), high.astype(np.float32), dtype=np.float32)
        self.engine.generator.widen_actions(wider)

    # -- both kinds together ----------------------------------------------------------------

    @property
    def buffer(self) -> BothStorages:
        """Storage of all real transitions, the offline ones first."""
        return BothStorages(self.offline_dataset, self.dataset)

    @property
    def episodes(self) -> Sequence[EpisodeBase]:
        """Real episodes, the offline ones first."""
        return self.buffer.episodes

    def size(self) -> int:
        """Returns the number of real episodes, offline and online."""
        return int(self.offline_dataset.size() + self.dataset.size())

    @property
    def transition_count(self) -> int:
        """Number of real transitions, offline and online: learning can begin at the first step."""
        return len(self._offline) + int(self.dataset.transition_count)

    @property
    def dataset_info(self) -> DatasetInfo:
        """Signatures and action space of the offline dataset."""
        return self._held.sample.dataset_info

    def dump(self, f: BinaryIO) -> None:
        """Writes the real episodes, the offline ones first, as d3rlpy does. ``dataset.dump`` writes the online ones."""
        dump(self.episodes, f)

    def sample_transition(self) -> Transition:
        """Samples one of the real transitions, as d3rlpy does."""
        return self.transition_picker(*self._entry())

    def sample_trajectory(self, length: int) -> PartialTrajectory:
        """Samples a trajectory of the real episodes, if nothing is generated.

        Raises:
            UnsupportedBufferError: If batches hold generated rows, or the offline rows have no episodes.
        """
        self._require_sequences()
        return self.trajectory_slicer(*self._entry(), length)

    def sample_trajectory_batch(self, batch_size: int, length: int) -> TrajectoryMiniBatch:
        """Samples trajectories of both kinds in the shares of ``plan``, if nothing is generated.

        Raises:
            UnsupportedBufferError: If batches hold generated rows, or the offline rows have no episodes.
        """
        self._require_sequences()
        batch_size = whole_number("batch_size", batch_size, "rows", least=0)
        sources = {"online": self.dataset, "offline": self.offline_dataset}
        counts = self.engine.plan(batch_size, **{n: int(held.transition_count) for n, held in sources.items()})
        order = self.engine.permutation(batch_size)
        self.last_sources = counts.numbers(order)
        drawn = [held.sample_trajectory(length) for name, held in sources.items() for _ in range(counts[name])]
        return TrajectoryMiniBatch.from_partial_trajectories([drawn[k] for k in order])

    def _entry(self) -> Entry:
        return self.buffer[np.random.randint(self.transition_count)]  # noqa: NPY002 - d3rlpy's own stream

    def _require_sequences(self) -> None:
        super()._require_sequences()
        if self._held.rows is not None:
            refuse_loose_trajectories()

    @classmethod
    def load(cls, *_: Any, **__: Any) -> NoReturn:
        """Refuses: a file of ``dump`` does not say which episodes are offline. Pickle the buffer to resume later."""
        refuse_loading()

    @classmethod
    def from_episode_generator(cls, *_: Any, **__: Any) -> NoReturn:
        """Refuses: give a dataset to the constructor."""
        refuse_episode_generator()


def _row_numbers(rows: int, count: int) -> Array:
    """Draws row numbers from NumPy's global stream, as d3rlpy does; an empty source draws nothing."""
    return np.random.randint(rows, size=count) if count else np.zeros(0, np.int64)  # noqa: NPY002


def _empty_like(dataset: ReplayBufferBase, limit: int, env: Any) -> ReplayBuffer:
    """Returns an empty bounded buffer that takes the same steps; observations and rewards are kept as floats."""
    refuse_limit(limit)
    info = dataset.dataset_info
    kinds = [
        np.dtype(d) if np.issubdtype(d, np.floating) else np.dtype(np.float32) for d in info.observation_signature.dtype
    ]
    if env is not None and len(kinds) == 1 and env.observation_space.dtype is not None:
        kinds = [env.observation_space.dtype]
    return ReplayBuffer(
        FIFOBuffer(int(limit)),
        transition_picker=dataset.transition_picker,
        trajectory_slicer=dataset.trajectory_slicer,
        observation_signature=Signature(dtype=kinds, shape=info.observation_signature.shape),
        action_signature=info.action_signature,
        reward_signature=Signature(dtype=[np.dtype(np.float32)], shape=info.reward_signature.shape),
        action_space=info.action_space,
        action_size=info.action_size,
    )
