"""``CFGMixedBuffer(offline_dataset)``: offline-to-online learning with d3rlpy from four sources."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from d3rlpy.dataset import (
    DatasetInfo,
    EpisodeBase,
    FIFOBuffer,
    ReplayBuffer,
    ReplayBufferBase,
    Signature,
    TransitionMiniBatch,
)
from gymnasium import spaces

from synth_replay.buffers.batch_plans import SOURCE_NUMBERS, SYNTHETIC_OFFLINE, SYNTHETIC_ONLINE, BatchPlan
from synth_replay.buffers.mixed_engine import Generation, MixedSynthesisEngine, RealRows
from synth_replay.buffers.ratios import Ratio
from synth_replay.buffers.refresh import RefreshConfig
from synth_replay.errors import ConfigError, UnsupportedBufferError
from synth_replay.generator.config import GeneratorConfig
from synth_replay.runtime import seed_from_numpy, show_progress
from synth_replay.spaces import Array
from synth_replay.transitions import Transitions, TransitionSpec
from synth_replay_d3rlpy.columns import EpisodeColumns
from synth_replay_d3rlpy.conversion import DEFAULT_GAMMA, host_rows, to_transitions
from synth_replay_d3rlpy.host import HostBuffer
from synth_replay_d3rlpy.offline import Offline
from synth_replay_d3rlpy.pixels.latent_data import latent_offline
from synth_replay_d3rlpy.sources import MixedRows, RowSource

LIMIT = 1_000_000


class CFGMixedBuffer(HostBuffer):
    """A d3rlpy buffer for ``fit_online`` with an offline dataset and generated rows of both kinds (CFDG, Algorithm 1).

    Online steps go into a d3rlpy buffer of its own (``dataset``); the offline dataset stays as it is. A refit happens
    inside ``sample_transition_batch``.

    Args:
        offline: Any d3rlpy dataset; or the path of a dataset, the id of a local Minari dataset, or
            :class:`~synth_replay.Transitions`.
        env: Environment whose spaces are used; without one they are taken from the offline dataset.
        limit: Most online transitions kept.
        plan: ``concat`` has exact numbers of all four sources in each batch; ``oorb`` makes each batch online-like or
            offline-like by the toss of a coin.
        synthetic_ratio: r, the share of synthetic rows in a batch. This and the next two are numbers in [0, 1] or
            functions of the environment step, :class:`~synth_replay.buffers.ratios.LinearSchedule` for example.
        online_ratio: Share of online rows among the real ones, or the coin's probability of an online-like batch.
        synthetic_online_ratio: Share of online-like rows among the synthetic ones, in the stores and in ``concat``.
        generation: ``cfg``; or, to compare with: ``unconditional`` (one generator without labels), ``online`` (SynthER
            on online rows alone), ``none`` (replay of both kinds).
        guidance_weight: w of CFDG's Eq. 7; None takes the generator configuration's.
        refresh_every: Environment steps between two refits (CFDG: 10,000 with APL, 100,000 with IQL and PEX).
        generator: Preset (``paper``, ``fast``, ``cpu``), configuration, file, or folder of a saved generator.
        store_rows: Generated rows kept, of both kinds together; None takes the preset's.
        refit: ``scratch`` or ``warm``.
        refit_steps: Gradient steps of a refit; None takes the preset's.
        validate: Keep generated rows out of the batches, with a warning, while their marginal on held-out real rows is
            below this share of what real rows reach (0.95, say); None never does.
        extra_columns: Modelled besides the transition: ``next_actions`` (ReBRAC), ``returns_to_go`` (Cal-QL). None
            takes both for continuous actions, where the offline data have them.
        gamma: Discount of the returns-to-go; give the algorithm's.
        encoder: File of a :class:`~synth_replay.encoders.FrozenEncoder`. The offline frames are then encoded at once,
            and the environment gives latents (:class:`~synth_replay.encoders.LatentObservation`).
        seed: Seed of the generated part; None follows ``d3rlpy.seed``. Real rows are drawn from NumPy's global
            stream, as in d3rlpy.
        device: Where the generator runs.
        progress: Progress bars during a refresh; None shows them on a terminal.

    Attributes:
        last_sources: ``[B]``, the source of each row of the last batch, an index of
            :data:`~synth_replay.buffers.batch_plans.SOURCES`. Rows of odd numbers are offline-like (lambda 1 in APL).

    Raises:
        ConfigError: If a value cannot be used.
        DatasetError: If the offline dataset cannot be read.
        SpecMismatchError: If it, or a saved generator, is of another environment.
        InvalidTransitionsError: If its values are invalid, or there are none.
        UnsupportedSpaceError: If a space cannot be modelled (``ImageObservationError`` for pixels).
    """

    def __init__(
        self,
        offline: ReplayBufferBase | str | Path | Transitions,
        *,
        env: Any = None,
        limit: int = LIMIT,
        plan: str = "concat",
        synthetic_ratio: Ratio = 1 / 3,
        online_ratio: Ratio = 0.5,
        synthetic_online_ratio: Ratio = 0.8,
        generation: Generation = "cfg",
        guidance_weight: float | None = None,
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
        self._of_env, self.gamma, self.encoder = env is not None, gamma, encoder
        wanted = None if env is None else (env.observation_space, env.action_space)
        if encoder is not None:
            offline = latent_offline(offline, encoder, show_progress(progress))
        self._held = Offline(offline, wanted)
        self.observation_space, self.action_space = self._held.spaces
        self.extra_columns = self._held.extras(extra_columns)
        self.engine: MixedSynthesisEngine = MixedSynthesisEngine(
            self.observation_space,
            self.action_space,
            plan=BatchPlan(plan, synthetic_ratio, online_ratio, synthetic_online_ratio),  # type: ignore[arg-type]
            generation=generation,
            guidance_weight=guidance_weight,
            refresh=RefreshConfig(refresh_every, refit, refit_steps, validate),  # type: ignore[arg-type]
            generator=generator,
            store_rows=store_rows,
            seed=seed_from_numpy() if seed is None else seed,
            device=device,
            progress=progress,
        )
        self.dataset = _empty_like(self._held.sample, limit, env)
        self._online = EpisodeColumns(self.dataset)
        self._offline: RowSource = self._held.source()
        self.layout = self._held.layout
        self.last_sources: Array = np.zeros(0, np.int8)

    @property
    def offline_dataset(self) -> ReplayBufferBase:
        """The offline data as a d3rlpy dataset; loose rows become one of episodes of one transition each."""
        return self._held.dataset

    # -- sampling ---------------------------------------------------------------------------

    def sample_transition_batch(self, batch_size: int) -> TransitionMiniBatch:
        """Draws a mixed, shuffled batch; ``last_sources`` says which row is from where.

        Args:
            batch_size: Rows in all; with ``concat`` the number of each source is exact.

        Returns:
            d3rlpy's own batch: float32 columns of at least two axes. Its ``transitions`` are made when asked for.
        """
        self._online.sync()
        self.engine.update(self._collect, self._to_host)
        counts = self.engine.plan_sources(batch_size, len(self._online), len(self._offline))
        real: list[RowSource] = [self._online, self._offline]
        drawn = [np.random.randint(len(s), size=n) if n else np.zeros(0, np.int64) for s, n in zip(real, counts)]  # noqa: B905, NPY002
        parts = [source.pick(index) for source, index in zip(real, drawn, strict=True) if len(index)]
        synthetic = [source for source in (SYNTHETIC_ONLINE, SYNTHETIC_OFFLINE) if counts[source]]
        parts += [self.engine.draw_source(source, counts[source])["rows"] for source in synthetic]
        order = self.engine.permutation(batch_size)
        rows = np.concatenate(parts).take(order, axis=0)
        number = np.concatenate([*drawn, np.zeros(batch_size - sum(map(len, drawn)), np.int64)]).take(order)
        self.last_sources = np.repeat(np.array(SOURCE_NUMBERS, np.int8), counts).take(order)
        return self.layout.batch(rows, MixedRows(real, self.layout, rows, self.last_sources, number))

    def _to_host(self, rows: Transitions) -> dict[str, Array]:
        return {"rows": host_rows(rows, self.observation_space, self.layout)}

    def _collect(self) -> RealRows:
        held: RealRows = {"offline": self._offline_transitions}
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
        """Bounds give way to online actions beyond them: those of the environment with a warning."""
        held: Any = self.action_space
        low, high = np.minimum(held.low, actions.min(axis=0)), np.maximum(held.high, actions.max(axis=0))
        if (low < held.low).any() or (high > held.high).any():
            if self._of_env:
                warnings.warn(
                    f"Online actions range from {low} to {high}, beyond the environment's [{held.low}, {held.high}]; "
                    "they are learnt as they are. d3rlpy's policies act in [-1, 1] without an action_scaler.",
                    stacklevel=2,
                )
            self.action_space = spaces.Box(low.astype(np.float32), high.astype(np.float32), dtype=np.float32)
            generator = self.engine.generator
            generator.spec = TransitionSpec(self.observation_space, self.action_space, generator.spec.extras)

    # -- both kinds together ----------------------------------------------------------------

    @property
    def episodes(self) -> Sequence[EpisodeBase]:
        """The real episodes, the offline ones first."""
        return [*self.offline_dataset.episodes, *self.dataset.episodes]

    def size(self) -> int:
        """Number of real episodes, offline and online."""
        return int(self.offline_dataset.size() + self.dataset.size())

    @property
    def transition_count(self) -> int:
        """Number of real transitions, offline and online: learning can begin at the first step."""
        return len(self._offline) + int(self.dataset.transition_count)

    @property
    def dataset_info(self) -> DatasetInfo:
        """The offline dataset's."""
        return self._held.sample.dataset_info

    def sample_transition(self) -> Any:
        """One offline transition, by d3rlpy itself."""
        return self.offline_dataset.sample_transition()

    @classmethod
    def load(cls, *_: Any, **__: Any) -> CFGMixedBuffer:
        """Not possible: ``dump`` keeps the online episodes alone. Pickle the buffer to go on with it later."""
        raise UnsupportedBufferError(
            "dump() keeps the online episodes alone. To go on later, pickle the whole buffer; to look at the episodes, "
            "load them with d3rlpy's ReplayBuffer.load."
        )

    @classmethod
    def from_episode_generator(cls, *_: Any, **__: Any) -> CFGMixedBuffer:
        """Not possible: give a dataset to the constructor."""
        raise UnsupportedBufferError("Make a d3rlpy ReplayBuffer of the episodes, and pass it as the offline dataset.")


def _empty_like(dataset: ReplayBufferBase, limit: int, env: Any) -> ReplayBuffer:
    """A bounded buffer without episodes that takes the same steps; its numbers are never cut to whole ones."""
    if isinstance(limit, bool) or not isinstance(limit, (int, np.integer)) or limit < 2:
        raise ConfigError(f"limit is the number of online transitions kept, a whole number from 2; got {limit!r}.")
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
