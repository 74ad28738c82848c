"""``replay_buffer_class=SyntheticReplayBuffer``: SynthER for any off-policy algorithm of Stable-Baselines3."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from gymnasium import spaces
from stable_baselines3 import HerReplayBuffer
from stable_baselines3.common.buffers import DictReplayBuffer, NStepReplayBuffer, ReplayBuffer
from stable_baselines3.common.vec_env import VecNormalize

from synth_replay.buffers.engine import SynthesisEngine, SynthesisStats
from synth_replay.buffers.refresh import RefreshConfig
from synth_replay.errors import ConfigError, UnsupportedBufferError
from synth_replay.generator.config import GeneratorConfig
from synth_replay.runtime import seed_from_numpy
from synth_replay.transitions import Transitions
from synth_replay_sb3.conversion import stored_transitions, write_transitions
from synth_replay_sb3.host import HostRows, joined
from synth_replay_sb3.pixels.latent_rows import FrameEncoding

HER_ARGUMENTS = {"n_sampled_goal", "goal_selection_strategy", "copy_info_dict"}


class _Mixing(HostRows):
    """What our buffer adds to whichever of SB3's buffers it inherits from."""

    engine: SynthesisEngine

    def sample(self, batch_size: int, env: VecNormalize | None = None) -> Any:
        """Draws a batch: real rows by SB3, generated rows by us, shuffled.

        Args:
            batch_size: Rows in all; the number of real ones is exact.
            env: SB3's normaliser, applied to real and generated rows alike.

        Returns:
            SB3's own sample type, dtypes, shapes and device.
        """
        self.refuse_normalized(env)
        self.engine.update(lambda: stored_transitions(self), self.to_host)  # type: ignore[arg-type]
        real, generated = self.engine.plan(batch_size)
        samples = super().sample(real, env)  # type: ignore[misc]
        if not generated:
            return samples
        return joined(
            samples, self.sample_fields(self.engine.draw(generated), env), self.engine.permutation(batch_size)
        )


class SyntheticReplayBuffer(_Mixing, ReplayBuffer):
    """SB3 replay buffer that mixes generated transitions into every batch (SynthER, Algorithm 1).

    Pass it as ``replay_buffer_class``; everything after ``optimize_memory_usage`` goes into
    ``replay_buffer_kwargs``. Real rows stay in SB3's own storage, generated rows in a store of ours, and a refit
    happens inside ``sample``, never before ``learning_starts``. With ``real_ratio=1`` it is SB3's own buffer, bit
    for bit. Dict observations and n-step returns inherit from SB3's buffers for these.

    Args:
        buffer_size: Most real transitions kept.
        observation_space: Given by SB3.
        action_space: Given by SB3.
        device: Given by SB3.
        n_envs: Given by SB3.
        optimize_memory_usage: Given by SB3; needs ``handle_timeout_termination=False``.
        handle_timeout_termination: As in SB3.
        n_steps: Steps of the return; SB3 ignores the algorithm's own ``n_steps`` with any custom buffer, so set it
            here, together with ``gamma``.
        gamma: Discount of the n-step return.
        real_ratio: Share of real rows in a batch, in [0, 1].
        refresh_every: Environment steps between two refits.
        generator: Preset (``paper``, ``fast``, ``cpu``), configuration or its file, or the folder of a saved
            generator; None takes ``fast`` on a GPU and ``cpu`` on a CPU.
        store_rows: Generated rows kept and replaced at each refresh; None takes the preset's.
        refit: ``scratch`` (the paper's code) or ``warm``.
        refit_steps: Gradient steps of a refit; None takes the preset's.
        validate: Keep generated rows out of the batches, with a warning, while their marginal on held-out real rows is
            below this share of what real rows reach (0.95, say); None never does.
        encoder: File of a :class:`~synth_replay.encoders.FrozenEncoder` for frames. They are kept, generated and
            sampled as latents, for a policy such as :class:`~synth_replay_sb3.LatentSACPolicy`.
        seed: Seed of everything random here; None follows SB3's seed.
        progress: Progress bars during a refresh; None shows them on a terminal.

    Raises:
        ConfigError: If a value cannot be used.
        UnsupportedSpaceError: If a space cannot be modelled (``ImageObservationError`` for pixels).
        UnsupportedBufferError: For hindsight experience replay.
        SpecMismatchError: If a saved generator is of another environment.
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> SyntheticReplayBuffer:
        """Picks the subclass over SB3's Dict or n-step buffer when one is needed."""
        space = kwargs["observation_space"] if "observation_space" in kwargs else (*args, None, None)[1]
        if cls is SyntheticReplayBuffer and isinstance(space, spaces.Dict):
            cls = DictSyntheticReplayBuffer
        elif cls is SyntheticReplayBuffer and kwargs.get("n_steps", 1) > 1:
            cls = NStepSyntheticReplayBuffer
        return super().__new__(cls)

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
        n_steps: int = 1,
        gamma: float = 0.99,
        real_ratio: float = 0.5,
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
        _refuse(type(self), unknown, n_steps, observation_space)
        if encoder is not None:
            self.frames = FrameEncoding(encoder, observation_space)
            observation_space = self.frames.encoder.space
        self.engine = SynthesisEngine(
            observation_space,
            action_space,
            real_ratio=real_ratio,
            refresh=RefreshConfig(refresh_every, refit, refit_steps, validate),  # type: ignore[arg-type]
            generator=generator,
            store_rows=store_rows,
            seed=seed_from_numpy() if seed is None else seed,
            device=device,
            progress=progress,
        )
        extra = {"n_steps": n_steps, "gamma": gamma} if n_steps > 1 else {}
        super().__init__(
            buffer_size,
            observation_space,
            action_space,
            device=device,
            n_envs=n_envs,
            optimize_memory_usage=optimize_memory_usage,
            handle_timeout_termination=handle_timeout_termination,
            **extra,
        )

    @property
    def stats(self) -> SynthesisStats:
        """Refreshes, losses, shares: see :class:`~synth_replay.buffers.engine.SynthesisStats`."""
        return self.engine.stats

    def preload(self, transitions: Transitions) -> None:
        """Writes real rows (an offline dataset, in environment units) into the buffer.

        A refresh is due at the next ``sample``, so ``learn(0)`` and ``train()`` learn offline.

        Raises:
            InvalidTransitionsError: If rows are invalid or do not fit.
            SpecMismatchError: If they are of another environment.
        """
        transitions = transitions if self.frames is None else self.frames.rows(transitions)
        self.engine.generator.spec.with_extras(()).check(transitions)
        write_transitions(self, transitions)
        self.engine.notify(len(transitions))
        self.engine.clock.request()

    @classmethod
    def from_transitions(
        cls,
        transitions: Transitions,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        buffer_size: int | None = None,
        **kwargs: Any,
    ) -> SyntheticReplayBuffer:
        """A buffer that already holds an offline dataset: assign it to ``model.replay_buffer``.

        Args:
            transitions: Real rows in environment units.
            observation_space: The environment's.
            action_space: The environment's.
            buffer_size: Room for later rows as well; the dataset's length by default.
            **kwargs: As for the class.
        """
        size = len(transitions) if buffer_size is None else buffer_size
        buffer = cls(size, observation_space, action_space, **kwargs)
        buffer.preload(transitions)
        return buffer


class DictSyntheticReplayBuffer(SyntheticReplayBuffer, DictReplayBuffer):
    """:class:`SyntheticReplayBuffer` over SB3's buffer for Dict observations."""


class NStepSyntheticReplayBuffer(SyntheticReplayBuffer, NStepReplayBuffer):
    """:class:`SyntheticReplayBuffer` over SB3's n-step buffer; the discounts are generated too."""


def _refuse(cls: type, unknown: dict[str, Any], n_steps: int, observation_space: spaces.Space[Any]) -> None:
    if HER_ARGUMENTS & set(unknown) or issubclass(cls, HerReplayBuffer):
        raise UnsupportedBufferError(
            "Hindsight experience replay recomputes rewards from the rest of the episode; a generated transition has "
            "no episode. Use HerReplayBuffer alone, or this buffer without HER arguments on the Dict observations."
        )
    if unknown:
        raise TypeError(f"SyntheticReplayBuffer got unknown arguments {sorted(unknown)}.")
    if isinstance(n_steps, bool) or n_steps < 1:
        raise ConfigError(f"n_steps must be at least 1; got {n_steps!r}.")
    if n_steps > 1 and isinstance(observation_space, spaces.Dict):
        raise UnsupportedBufferError("SB3 has no n-step returns for Dict observations; set n_steps=1.")
