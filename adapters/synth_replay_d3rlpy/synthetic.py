"""``SyntheticReplayBuffer.wrap(dataset)``: SynthER for d3rlpy's offline and online Q-learning."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from d3rlpy.dataset import (
    ReplayBuffer,
    ReplayBufferBase,
    TransitionMiniBatch,
)
from gymnasium import spaces

from synth_replay.buffers.engine import SynthesisEngine
from synth_replay.buffers.refresh import RefreshConfig
from synth_replay.errors import ConfigError, InvalidTransitionsError
from synth_replay.generator.config import GeneratorConfig
from synth_replay.generator.generator import MIN_ROWS
from synth_replay.runtime import seed_from_numpy, show_progress
from synth_replay.spaces import Array
from synth_replay.transitions import Transitions
from synth_replay_d3rlpy.batch import BatchRows
from synth_replay_d3rlpy.columns import EpisodeColumns
from synth_replay_d3rlpy.conversion import DEFAULT_GAMMA, host_rows, infer_spaces, to_transitions, wanted_extras
from synth_replay_d3rlpy.host import HostBuffer
from synth_replay_d3rlpy.layout import RowLayout
from synth_replay_d3rlpy.pixels.latent_data import encode_buffer, latent_spaces


class SyntheticReplayBuffer(HostBuffer):
    """A d3rlpy buffer that mixes generated transitions into every batch (SynthER, Section 3).

    The wrapped buffer keeps its real episodes, and scalers, evaluators, ``dump`` and ``append`` work on it. Batches
    are drawn here: real rows as d3rlpy's own picker makes them, generated rows from a store, shuffled. The generator
    is fitted at the first batch of a dataset, and every ``refresh_every`` appended steps.

    Args:
        dataset: Any d3rlpy buffer: an ``MDPDataset``, a ``ReplayBuffer`` with episodes, or an empty one
            for ``fit_online``.
        env: Environment whose spaces are used; without one they are inferred from the dataset.
        real_ratio: Share of real rows in a batch, in [0, 1].
        refresh_every: Appended steps between two refits (``fit_online``).
        generator: Preset (``paper``, ``fast``, ``cpu``), configuration or its file, or the folder of a saved
            generator; None takes ``fast`` on a GPU and ``cpu`` on a CPU.
        store_rows: Generated rows kept and replaced at each refresh; None takes the preset's.
        refit: ``scratch`` (the paper's code) or ``warm``.
        refit_steps: Gradient steps of a refit; None takes the preset's.
        validate: Keep generated rows out of the batches, with a warning, while their marginal on held-out real rows is
            below this share of what real rows reach (0.95, say); None never does.
        extra_columns: Modelled besides the transition: ``next_actions`` (ReBRAC), ``returns_to_go`` (Cal-QL). None
            takes both for continuous actions.
        gamma: Discount of the generated returns-to-go; give the algorithm's.
        encoder: File of a :class:`~synth_replay.encoders.FrozenEncoder`. The dataset's frames are then encoded at
            once (:func:`encode_buffer`), and batches hold latents, for an algorithm of :func:`latent_agent`.
        seed: Seed of the generated part; None follows ``d3rlpy.seed``. Real rows are drawn from NumPy's global
            stream, as in d3rlpy.
        device: Where the generator runs.
        progress: Progress bars during a refresh; None shows them on a terminal.

    Raises:
        ConfigError: If a value cannot be used.
        UnsupportedSpaceError: If a space cannot be modelled (``ImageObservationError`` for pixels).
        SpecMismatchError: If a saved generator is of another environment.
        InvalidTransitionsError: If the buffer is empty and there is no ``env``.
    """

    def __init__(
        self,
        dataset: ReplayBufferBase,
        *,
        env: Any = None,
        real_ratio: float = 0.5,
        refresh_every: int = 10_000,
        generator: str | Path | GeneratorConfig | None = None,
        store_rows: int | None = None,
        refit: str = "scratch",
        refit_steps: int | None = None,
        validate: float | None = None,
        extra_columns: Sequence[str] | None = None,
        gamma: float = DEFAULT_GAMMA,
        encoder: str | Path | None = None,
        seed: int | None = None,
        device: str | torch.device = "auto",
        progress: bool | None = None,
    ) -> None:
        if not isinstance(dataset, ReplayBufferBase):
            raise ConfigError(f"wrap() takes a d3rlpy replay buffer or MDPDataset, not {type(dataset).__name__}.")
        found = infer_spaces(dataset) if env is None else (env.observation_space, env.action_space)
        if encoder is not None:
            dataset, found = encode_buffer(dataset, encoder, show_progress(progress)), latent_spaces(encoder, found)
        self.dataset, self.gamma, self.encoder = dataset, gamma, encoder
        self.observation_space: spaces.Space[Any] = found[0]
        self.action_space: spaces.Space[Any] = found[1]
        self.extra_columns = wanted_extras(extra_columns, dataset, self.action_space)
        self.engine = SynthesisEngine(
            self.observation_space,
            self.action_space,
            real_ratio=real_ratio,
            refresh=RefreshConfig(refresh_every, refit, refit_steps, validate),  # type: ignore[arg-type]
            generator=generator,
            store_rows=store_rows,
            seed=seed_from_numpy() if seed is None else seed,
            device=device,
            progress=progress,
        )
        self.engine.generator.spec.with_extras(self.extra_columns)
        self._columns = EpisodeColumns(dataset)
        self._ask_for_first_fit()

    @classmethod
    def wrap(cls, dataset: ReplayBufferBase, **kwargs: Any) -> SyntheticReplayBuffer:
        """Wraps any d3rlpy dataset; the arguments are the class's."""
        return cls(dataset, **kwargs)

    def _ask_for_first_fit(self) -> None:
        rows = len(self._columns)
        if self.engine.generator.fitted or not rows:
            return
        if rows >= MIN_ROWS:
            self.engine.clock.request()
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
        self._columns.sync()
        self.engine.update(self.transitions, self._to_host)
        real, generated = self.engine.plan(batch_size)
        layout = self._layout()
        source = np.random.randint(len(self._columns), size=real)  # noqa: NPY002 - the stream that d3rlpy draws from
        rows = self._columns.pick(source)
        if generated:
            order = self.engine.permutation(batch_size)
            rows = np.concatenate((rows, self.engine.draw(generated)["rows"])).take(order, axis=0)
            source = np.concatenate((source, np.full(generated, -1))).take(order)
        return layout.batch(rows, BatchRows(self._columns, layout, rows, source))

    def _layout(self) -> RowLayout:
        if self._columns.layout is None or not len(self._columns):
            raise InvalidTransitionsError("The buffer holds no complete transition yet.")
        return self._columns.layout

    def _to_host(self, rows: Transitions) -> dict[str, Array]:
        return {"rows": host_rows(rows, self.observation_space, self._layout())}

    def transitions(self) -> Transitions:
        """All real rows and the extra columns, in environment units."""
        return to_transitions(self._columns, self.observation_space, self.action_space, self.extra_columns, self.gamma)

    @classmethod
    def load(cls, f: BinaryIO, buffer: Any, *args: Any, **kwargs: Any) -> SyntheticReplayBuffer:
        """Reads episodes of :meth:`dump`; see :meth:`d3rlpy.dataset.ReplayBuffer.load` and this class's arguments."""
        return cls._build(lambda **host: ReplayBuffer.load(f, buffer, *args, **host), kwargs)

    @classmethod
    def from_episode_generator(
        cls, episode_generator: Any, buffer: Any, *args: Any, **kwargs: Any
    ) -> SyntheticReplayBuffer:
        """As d3rlpy's, with this class's arguments besides."""
        return cls._build(
            lambda **host: ReplayBuffer.from_episode_generator(episode_generator, buffer, *args, **host), kwargs
        )

    @classmethod
    def _build(cls, make: Callable[..., ReplayBuffer], kwargs: dict[str, Any]) -> SyntheticReplayBuffer:
        names = ("episode_cls", "transition_picker", "trajectory_slicer", "writer_preprocessor")
        host = {name: kwargs.pop(name) for name in names if name in kwargs}
        return cls(make(**host), **kwargs)
