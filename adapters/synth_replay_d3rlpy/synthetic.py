"""``SyntheticReplayBuffer.wrap(dataset)``: SynthER for d3rlpy's offline and online Q-learning."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Unpack

import numpy as np
import torch
from d3rlpy.dataset import ReplayBuffer, ReplayBufferBase, TransitionMiniBatch
from gymnasium import spaces

from synth_replay.buffers.counts import whole_number
from synth_replay.buffers.options import SyntheticOptions, flat_signature, synther_engine
from synth_replay.errors import InvalidTransitionsError
from synth_replay.generator.config import MIN_ROWS
from synth_replay.runtime import seed_from_numpy, show_progress
from synth_replay.transitions import Transitions
from synth_replay_d3rlpy.batch import PACKED, RowLayout
from synth_replay_d3rlpy.columns import EpisodeColumns
from synth_replay_d3rlpy.conversion import DEFAULT_GAMMA, infer_spaces, to_transitions, wanted_extras
from synth_replay_d3rlpy.host import HostBuffer
from synth_replay_d3rlpy.pixels.encoding import encode_buffer, latent_spaces
from synth_replay_d3rlpy.refusals import refuse_foreign, refuse_stacking
from synth_replay_d3rlpy.sources import MixedRows


@flat_signature(SyntheticOptions)
class SyntheticReplayBuffer(HostBuffer):
    """A d3rlpy buffer that mixes generated transitions into every batch (SynthER, Section 3).

    The wrapped buffer keeps its real episodes, and scalers, evaluators, ``dump`` and ``append`` work on it. Batches
    are drawn here: real rows as d3rlpy's own picker makes them, generated rows from a store, shuffled. The generator
    is fitted at the first batch of a dataset, and every ``refresh_every`` appended steps.

    Args:
        dataset: Any d3rlpy buffer: an ``MDPDataset``, a ``ReplayBuffer`` with episodes, or an empty one
            for ``fit_online``.
        env: Environment whose spaces are used; without one they are inferred from the dataset.
        extra_columns: Columns that are modelled besides the transition: ``next_actions`` (ReBRAC), ``returns_to_go``
            (Cal-QL). None takes both for continuous actions.
        gamma: Discount of the generated returns-to-go; give the algorithm's.
        encoder: File of a :class:`~synth_replay.encoders.FrozenEncoder`. The dataset's frames are then encoded at
            once (:func:`encode_buffer`), and batches hold latents, for an algorithm of :func:`latent_agent`.
        seed: Seed of the generated part; None follows ``d3rlpy.seed``. Real rows are drawn from NumPy's global
            stream, as in d3rlpy.
        device: Device of the generator.
        **options: Keyword arguments of :class:`~synth_replay.buffers.SyntheticOptions` and
            :class:`~synth_replay.buffers.EngineOptions`; ``refresh_every`` counts appended steps.

    Raises:
        ConfigError: If a value cannot be used.
        TypeError: If an option is unknown.
        UnsupportedSpaceError: If a space cannot be modelled (``ImageObservationError`` for pixels).
        SpecMismatchError: If a saved generator is of another environment, or the episodes have different shapes.
        UnsupportedBufferError: If the buffer's transition picker stacks observations, and rows are generated.
        InvalidTransitionsError: If the buffer is empty and there is no ``env``.
    """

    def __init__(
        self,
        dataset: ReplayBufferBase,
        *,
        env: Any = None,
        extra_columns: Sequence[str] | None = None,
        gamma: float = DEFAULT_GAMMA,
        encoder: str | Path | None = None,
        seed: int | None = None,
        device: str | torch.device = "auto",
        **options: Unpack[SyntheticOptions],
    ) -> None:
        refuse_foreign(dataset)
        found = infer_spaces(dataset) if env is None else (env.observation_space, env.action_space)
        if encoder is not None:
            dataset = encode_buffer(dataset, encoder, show_progress(options.get("progress")))
            found = latent_spaces(encoder, found)
        self.dataset, self.gamma, self.encoder = dataset, gamma, encoder
        self.observation_space: spaces.Space[Any] = found[0]
        self.action_space: spaces.Space[Any] = found[1]
        self.extra_columns = wanted_extras(extra_columns, dataset, self.action_space)
        own_seed = seed_from_numpy() if seed is None else seed
        self.engine = synther_engine(*found, seed=own_seed, device=device, **options)
        self.engine.generator.spec.with_extras(self.extra_columns)
        never = self.engine.mixture.rule.never
        if not never:
            refuse_stacking(dataset)
        self._columns = EpisodeColumns(dataset, strict=not never)
        self._request_first_fit()

    @classmethod
    def wrap(cls, dataset: ReplayBufferBase, **kwargs: Any) -> SyntheticReplayBuffer:
        """Wraps any d3rlpy dataset; takes the arguments of the class."""
        return cls(dataset, **kwargs)

    def _request_first_fit(self) -> None:
        rows = len(self._columns)
        if self.engine.generator.fitted or not rows or self.engine.mixture.rule.never:
            return
        if rows >= MIN_ROWS:
            self.engine.request_refresh()
        else:
            warnings.warn(
                f"The dataset has {rows} transitions, a generator needs {MIN_ROWS}: batches hold real rows "
                f"alone until {self.engine.refresh_config.every} steps have been appended.",
                stacklevel=4,
            )

    # -- sampling ---------------------------------------------------------------------------

    def sample_transition_batch(self, batch_size: int) -> TransitionMiniBatch:
        """Draws a mixed, shuffled batch.

        Args:
            batch_size: Rows in all; the number of real ones is exact.

        Returns:
            d3rlpy's own batch: float32 columns of at least two axes. Its ``transitions`` are made when asked for.
        """
        if self.engine.mixture.rule.never and not self._columns.plain:
            return self.dataset.sample_transition_batch(batch_size)
        batch_size = whole_number("batch_size", batch_size, "rows", least=0)
        self._columns.sync()
        self.engine.update({"real": self.transitions}, self.to_host)
        counts = self.engine.plan(batch_size, real=len(self._columns))
        layout = self.row_layout()
        number = np.random.randint(len(self._columns), size=counts.real)  # noqa: NPY002 - d3rlpy's own stream
        rows, source = self._columns.pick(number), np.zeros(batch_size, np.int8)
        if counts.generated:
            order = self.engine.permutation(batch_size)
            rows = np.concatenate((rows, self.engine.draw(counts)[PACKED])).take(order, axis=0)
            number = np.concatenate((number, np.zeros(counts.generated, np.int64))).take(order)
            source = counts.numbers(order)
        return layout.batch(rows, MixedRows([self._columns], layout, rows, source, number))

    def row_layout(self) -> RowLayout:
        """Returns the layout of a batch's rows.

        Raises:
            InvalidTransitionsError: If the buffer holds no complete transition yet.
        """
        if self._columns.layout is None or not len(self._columns):
            raise InvalidTransitionsError("The buffer holds no complete transition yet.")
        return self._columns.layout

    def transitions(self) -> Transitions:
        """Returns all real rows and the extra columns, in environment units."""
        return to_transitions(self._columns, self.observation_space, self.action_space, self.extra_columns, self.gamma)

    @classmethod
    def load(cls, f: BinaryIO, buffer: Any, *args: Any, **kwargs: Any) -> SyntheticReplayBuffer:
        """Reads episodes of :meth:`dump`; see :meth:`d3rlpy.dataset.ReplayBuffer.load` and this class's arguments."""
        return cls._build(lambda **host: ReplayBuffer.load(f, buffer, *args, **host), kwargs)

    @classmethod
    def from_episode_generator(
        cls, episode_generator: Any, buffer: Any, *args: Any, **kwargs: Any
    ) -> SyntheticReplayBuffer:
        """Makes a buffer of generated episodes, as d3rlpy does, with this class's arguments besides."""
        return cls._build(
            lambda **host: ReplayBuffer.from_episode_generator(episode_generator, buffer, *args, **host), kwargs
        )

    @classmethod
    def _build(cls, make: Callable[..., ReplayBuffer], kwargs: dict[str, Any]) -> SyntheticReplayBuffer:
        names = ("episode_cls", "transition_picker", "trajectory_slicer", "writer_preprocessor")
        host = {name: kwargs.pop(name) for name in names if name in kwargs}
        return cls(make(**host), **kwargs)
