"""``replay_buffer_class=CFGMixedBuffer``: offline-to-online learning with Stable-Baselines3 from four sources."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.buffers import DictReplayBuffer, ReplayBuffer
from stable_baselines3.common.vec_env import VecNormalize

from synth_replay.buffers.batch_plans import (
    OFFLINE,
    ONLINE,
    SOURCE_NUMBERS,
    SYNTHETIC_OFFLINE,
    SYNTHETIC_ONLINE,
    BatchPlan,
)
from synth_replay.buffers.engine import SynthesisStats
from synth_replay.buffers.mixed_engine import Generation, MixedSynthesisEngine, RealRows
from synth_replay.buffers.offline import latent_rows, offline_rows
from synth_replay.buffers.ratios import Ratio
from synth_replay.buffers.refresh import RefreshConfig
from synth_replay.buffers.store import ColumnStore
from synth_replay.errors import ConfigError, UnsupportedBufferError
from synth_replay.generator.config import GeneratorConfig
from synth_replay.runtime import seed_from_numpy, show_progress
from synth_replay.spaces import Array
from synth_replay.transitions import Transitions
from synth_replay_sb3.conversion import from_host_columns, host_columns, stored_transitions
from synth_replay_sb3.host import HostRows, joined
from synth_replay_sb3.pixels.latent_rows import FrameEncoding


class CFGMixedBuffer(HostRows, ReplayBuffer):
    """SB3 replay buffer with an offline dataset and generated rows of both kinds (CFDG, Algorithm 1).

    Pass it as ``replay_buffer_class``, with ``learning_starts=0``; everything after ``optimize_memory_usage`` goes into
    ``replay_buffer_kwargs``. Online rows stay in SB3's own storage. A refit happens inside ``sample``. Before the first
    environment step a batch is all offline, so ``learn(0)`` and ``train()`` learn offline first.

    A saved model names its offline dataset, and loading one makes its buffer anew: if the dataset is elsewhere by then,
    pass ``custom_objects={"replay_buffer_kwargs": {"offline": ...}}`` to ``load``, or
    ``{"replay_buffer_class": None, "replay_buffer_kwargs": {}}`` to do without.

    Args:
        buffer_size: Most online transitions kept.
        observation_space: Given by SB3.
        action_space: Given by SB3.
        device: Given by SB3.
        n_envs: Given by SB3.
        optimize_memory_usage: Given by SB3; needs ``handle_timeout_termination=False``.
        handle_timeout_termination: As in SB3.
        offline: The offline dataset: a path, the id of a local Minari dataset, one of SB3's replay buffers, or
            transitions in environment units. SB3 saves this argument with the model: a path keeps models small.
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
        encoder: File of a :class:`~synth_replay.encoders.FrozenEncoder` for frames. They are kept, generated and
            sampled as latents, for a policy such as :class:`~synth_replay_sb3.LatentSACPolicy`.
        seed: Seed of everything random here but SB3's own draws; None follows SB3's seed.
        progress: Progress bars during a refresh; None shows them on a terminal.

    Attributes:
        last_sources: ``[B]``, the source of each row of the last batch, an index of
            :data:`~synth_replay.buffers.batch_plans.SOURCES`. Rows of odd numbers are offline-like (lambda 1 in APL).

    Raises:
        ConfigError: If a value cannot be used, or ``offline`` is missing.
        DatasetError: If the offline dataset cannot be read.
        SpecMismatchError: If it, or a saved generator, is of another environment.
        InvalidTransitionsError: If its values are invalid, out-of-bounds actions for example.
        UnsupportedSpaceError: If a space cannot be modelled (``ImageObservationError`` for pixels).
        UnsupportedBufferError: For n-step returns and hindsight experience replay.
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> CFGMixedBuffer:
        """Picks the subclass over SB3's Dict buffer when it is needed."""
        space = kwargs["observation_space"] if "observation_space" in kwargs else (*args, None, None)[1]
        return super().__new__(DictCFGMixedBuffer if cls is CFGMixedBuffer and isinstance(space, spaces.Dict) else cls)

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
        encoder: str | Path | None = None,
        seed: int | None = None,
        progress: bool | None = None,
        **unknown: Any,
    ) -> None:
        _refuse(offline, unknown)
        if encoder is not None:
            self.frames = FrameEncoding(encoder, observation_space)
            observation_space = self.frames.encoder.space
        engine_seed, own_seed = np.random.SeedSequence(seed_from_numpy() if seed is None else seed).generate_state(2)
        self.engine: MixedSynthesisEngine = MixedSynthesisEngine(
            observation_space,
            action_space,
            plan=BatchPlan(plan, synthetic_ratio, online_ratio, synthetic_online_ratio),  # type: ignore[arg-type]
            generation=generation,
            guidance_weight=guidance_weight,
            refresh=RefreshConfig(refresh_every, refit, refit_steps, validate),  # type: ignore[arg-type]
            generator=generator,
            store_rows=store_rows,
            seed=int(engine_seed),
            device=device,
            progress=progress,
        )
        spec = self.engine.generator.spec.with_extras(())
        held = stored_transitions(offline) if isinstance(offline, ReplayBuffer) else offline
        assert held is not None
        if self.frames is not None:
            held = latent_rows(held, self.frames.encoder, show_progress(progress))
        rows = offline_rows(held, spec)
        columns = rows.leaves()
        self.offline = ColumnStore(len(rows), compact=False)
        kept = Transitions.from_leaves({leaf.name: columns[leaf.name] for leaf in spec.leaves})
        self.offline.replace(host_columns(kept, action_space))
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

    @property
    def stats(self) -> SynthesisStats:
        """Refreshes, losses, shares: see :class:`~synth_replay.buffers.engine.SynthesisStats`."""
        return self.engine.stats

    def sample(self, batch_size: int, env: VecNormalize | None = None) -> Any:
        """Draws a batch: online rows by SB3, the others by us, shuffled; ``last_sources`` says which is which.

        Args:
            batch_size: Rows in all; with ``concat`` the number of each source is exact.
            env: SB3's normaliser, applied to all rows alike.

        Returns:
            SB3's own sample type, dtypes, shapes and device.
        """
        self.refuse_normalized(env)
        self.engine.update(self._collect, self.to_host)
        counts = self.engine.plan_sources(batch_size, self.size(), len(self.offline))
        order = self.engine.permutation(batch_size)
        self.last_sources = np.repeat(np.array(SOURCE_NUMBERS, np.int8), counts)[order]
        none = np.zeros(0, np.int64)  # SB3 cannot draw from an empty buffer, not even no rows
        online = super().sample(counts[ONLINE], env) if counts[ONLINE] else self._get_samples(none, env)
        synthetic = [source for source in (SYNTHETIC_ONLINE, SYNTHETIC_OFFLINE) if counts[source]]
        others = [self._offline(counts[OFFLINE]), *(self.engine.draw_source(s, counts[s]) for s in synthetic)]
        rows = {name: np.concatenate([part[name] for part in others]) for name in others[0]}
        return joined(online, self.sample_fields(rows, env), order)

    def _offline(self, count: int) -> dict[str, Array]:
        return self.offline.gather(self._rng.integers(len(self.offline), size=count))

    def _offline_transitions(self) -> Transitions:
        return from_host_columns(self.offline.rows(), self.action_space)

    def _collect(self) -> RealRows:
        online: RealRows = {"online": lambda: stored_transitions(self)} if self.size() else {}
        return online | {"offline": self._offline_transitions}


class DictCFGMixedBuffer(CFGMixedBuffer, DictReplayBuffer):
    """:class:`CFGMixedBuffer` over SB3's buffer for Dict observations."""


def _refuse(offline: Any, unknown: dict[str, Any]) -> None:
    if {"n_steps", "gamma"} & set(unknown):
        raise UnsupportedBufferError(
            "CFGMixedBuffer has no n-step returns: an offline dataset's rows and generated ones have no neighbours. "
            "Leave n_steps out, or use SyntheticReplayBuffer."
        )
    if {"n_sampled_goal", "goal_selection_strategy", "copy_info_dict"} & set(unknown):
        raise UnsupportedBufferError(
            "Hindsight experience replay recomputes rewards from the rest of the episode; an offline or generated "
            "transition has none. Leave the HER arguments out."
        )
    if unknown:
        raise TypeError(f"CFGMixedBuffer got unknown arguments {sorted(unknown)}.")
    if offline is None:
        raise ConfigError("CFGMixedBuffer needs its offline dataset: replay_buffer_kwargs={'offline': path}.")
