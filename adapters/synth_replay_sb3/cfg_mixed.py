"""``replay_buffer_class=CFGMixedBuffer``: offline-to-online learning with Stable-Baselines3 from four sources."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Unpack

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.vec_env import VecNormalize

from synth_replay.buffers.offline import latent_rows, offline_rows, offline_store
from synth_replay.buffers.options import MixedOptions, cfdg_engine, flat_signature
from synth_replay.buffers.real_rows import RealRows, StoredRows
from synth_replay.buffers.store import ColumnStore, HostColumns
from synth_replay.runtime import seed_from_numpy, show_progress
from synth_replay.spaces import Array
from synth_replay.transitions import Transitions
from synth_replay_sb3.batch import joined, sample_fields
from synth_replay_sb3.conversion import from_host_columns, stored_transitions
from synth_replay_sb3.host import HostBuffer, engine_device
from synth_replay_sb3.pixels.encoding import FrameEncoding
from synth_replay_sb3.refusals import explained_images, refuse_mixed


@flat_signature(MixedOptions)
class CFGMixedBuffer(HostBuffer):
    """SB3 replay buffer with an offline dataset and generated rows of both kinds (CFDG, Algorithm 1).

    Pass it as ``replay_buffer_class``, with ``learning_starts=0``; everything after ``optimize_memory_usage`` goes into
    ``replay_buffer_kwargs``. Online rows stay in SB3's own storage. A refit happens inside ``sample``. Before the first
    environment step a batch is all offline, so ``learn(0)`` and ``train()`` learn offline first.

    A saved model names its offline dataset, and loading one makes its buffer anew: if the dataset is elsewhere by then,
    pass ``custom_objects={"replay_buffer_kwargs": {"offline": ...}}`` to ``load``, or
    ``{"replay_buffer_class": None, "replay_buffer_kwargs": {}}`` to do without.

    Args:
        buffer_size: Most online transitions kept.
        observation_space: Observation space of the environment; SB3 passes it.
        action_space: Action space of the environment; SB3 passes it.
        device: Device of batches and of the generator; SB3 passes it.
        n_envs: Number of parallel environments; SB3 passes it.
        optimize_memory_usage: SB3's switch; needs ``handle_timeout_termination=False``.
        handle_timeout_termination: SB3's switch.
        offline: The offline dataset: a path, the id of a local Minari dataset, one of SB3's replay buffers, or
            transitions in environment units. SB3 saves this argument with the model: a path keeps models small.
        encoder: File of a :class:`~synth_replay.encoders.FrozenEncoder` for frames. They are kept, generated and
            sampled as latents, for a policy such as :class:`~synth_replay_sb3.LatentSACPolicy`.
        seed: Seed of everything random here but SB3's own draws; None follows SB3's seed.
        **options: Keyword arguments of :class:`~synth_replay.buffers.MixedOptions` and
            :class:`~synth_replay.buffers.EngineOptions`.

    Attributes:
        last_sources: ``[B]`` int8, the source of each row of the last batch, an index of
            :data:`~synth_replay.buffers.SOURCES`. Rows of odd numbers are offline-like (lambda 1 in APL).

    Raises:
        ConfigError: If a value cannot be used, or ``offline`` is missing.
        TypeError: If an option is unknown.
        DatasetError: If the offline dataset cannot be read.
        SpecMismatchError: If the dataset, or a saved generator, is of another environment.
        InvalidTransitionsError: If the dataset's values are invalid, out-of-bounds actions for example.
        UnsupportedSpaceError: If a space cannot be modelled (``ImageObservationError`` for pixels).
        UnsupportedBufferError: For n-step returns and hindsight experience replay.
    """

    def __init__(
        self,
        buffer_size: int,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        device: torch.device | str = "auto",
        n_envs: int = 1,
        optimize_memory_usage: bool = False,
        handle_timeout_termination: bool = True,
        *,
        offline: str | Path | Transitions | ReplayBuffer | None = None,
        encoder: str | Path | None = None,
        seed: int | None = None,
        **options: Unpack[MixedOptions],
    ) -> None:
        refuse_mixed(type(self), offline, options)
        assert offline is not None
        engine_seed, own_seed = np.random.SeedSequence(seed_from_numpy() if seed is None else seed).generate_state(2)
        with explained_images(observation_space, encoder):
            if encoder is not None:
                self.frames = FrameEncoding(encoder, observation_space)
                observation_space = self.frames.encoder.space
            given = (observation_space, action_space)
            self.engine = cfdg_engine(*given, seed=int(engine_seed), device=engine_device(device), **options)
        self.become(observation_space)
        self.last_sources: Array = np.zeros(0, np.int8)
        self._rng = np.random.default_rng(own_seed)
        super().__init__(
            buffer_size,
            observation_space,
            action_space,
            device=device,
            n_envs=n_envs,
            optimize_memory_usage=optimize_memory_usage,
            handle_timeout_termination=handle_timeout_termination,
        )
        self.offline = self._stored_offline(offline, show_progress(options.get("progress")))

    def _stored_offline(self, given: str | Path | Transitions | ReplayBuffer, progress: bool) -> ColumnStore:
        """Returns the offline rows in SB3's columns, without columns that a batch has no place for."""
        held = stored_transitions(given) if isinstance(given, ReplayBuffer) else given
        if self.frames is not None:
            held = latent_rows(held, self.frames.encoder, progress)
        spec = self.engine.generator.spec.with_extras(())
        columns = offline_rows(held, spec).leaves()
        return offline_store(
            self.to_host(Transitions.from_leaves({leaf.name: columns[leaf.name] for leaf in spec.leaves}))
        )

    def sample(self, batch_size: int, env: VecNormalize | None = None) -> Any:
        """Draws a batch: online rows by SB3, the others by us, shuffled; ``last_sources`` says which is which.

        Args:
            batch_size: Rows in all; with ``concat`` the number of each source is exact.
            env: SB3's normaliser, applied to all rows alike.

        Returns:
            SB3's own sample type, dtypes, shapes and device.
        """
        self.check_normalizer(env)
        self.engine.update(self._real_rows(), self.to_host)
        counts = self.engine.plan(batch_size, online=self.size() * self.n_envs, offline=len(self.offline))
        order = self.engine.permutation(batch_size)
        self.last_sources = counts.numbers(order)
        none = np.zeros(0, np.int64)  # SB3 cannot draw from an empty buffer, not even no rows
        online = super().sample(counts["online"], env) if counts["online"] else self._get_samples(none, env)
        rows = self._offline_rows(counts["offline"])
        if counts.generated:
            made = self.engine.draw(counts)
            rows = {name: np.concatenate([column, made[name]]) for name, column in rows.items()}
        return joined(online, sample_fields(self, rows, env), order)

    def _offline_rows(self, count: int) -> HostColumns:
        return self.offline.gather(self._rng.integers(len(self.offline), size=count))

    def _real_rows(self) -> RealRows:
        return ({"online": self.stored_rows()} if self.size() else {}) | {
            "offline": StoredRows(lambda: len(self.offline), self._offline_transitions)
        }

    def _offline_transitions(self, chosen: Array | None) -> Transitions:
        columns = self.offline.rows() if chosen is None else self.offline.gather(chosen)
        return from_host_columns(columns, self.action_space)
