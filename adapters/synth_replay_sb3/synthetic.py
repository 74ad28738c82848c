"""``replay_buffer_class=SyntheticReplayBuffer``: SynthER for any off-policy algorithm of Stable-Baselines3."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Unpack

import torch
from gymnasium import spaces
from stable_baselines3.common.buffers import NStepReplayBuffer, ReplayBuffer
from stable_baselines3.common.vec_env import VecNormalize

from synth_replay.buffers.options import SyntheticOptions, flat_signature, synther_engine
from synth_replay.runtime import seed_from_numpy
from synth_replay.transitions import Transitions
from synth_replay_sb3.batch import joined, sample_fields
from synth_replay_sb3.conversion import loose_transitions, write_transitions
from synth_replay_sb3.host import HostBuffer, engine_device
from synth_replay_sb3.pixels.encoding import FrameEncoding
from synth_replay_sb3.refusals import explained_images, refuse_hindsight, refuse_n_steps


@flat_signature(SyntheticOptions)
class SyntheticReplayBuffer(HostBuffer):
    """SB3 replay buffer that mixes generated transitions into every batch (SynthER, Algorithm 1).

    Pass it as ``replay_buffer_class``; everything after ``optimize_memory_usage`` goes into
    ``replay_buffer_kwargs``. Real rows stay in SB3's own storage, generated rows in a store of ours, and a refit
    happens inside ``sample``, never before ``learning_starts``. With ``real_ratio=1`` it is SB3's own buffer, bit
    for bit. Dict observations and n-step returns inherit from SB3's buffers for these.

    Args:
        buffer_size: Most real transitions kept.
        observation_space: Observation space of the environment; SB3 passes it.
        action_space: Action space of the environment; SB3 passes it.
        device: Device of batches and of the generator; SB3 passes it.
        n_envs: Number of parallel environments; SB3 passes it.
        optimize_memory_usage: SB3's switch; needs ``handle_timeout_termination=False``.
        handle_timeout_termination: SB3's switch.
        n_steps: Steps of the return; SB3 ignores the algorithm's own ``n_steps`` with any custom buffer, so set it
            here, together with ``gamma``.
        gamma: Discount of the n-step return.
        encoder: File of a :class:`~synth_replay.encoders.FrozenEncoder` for frames. They are kept, generated and
            sampled as latents, for a policy such as :class:`~synth_replay_sb3.LatentSACPolicy`.
        seed: Seed of everything random here; None follows SB3's seed.
        **options: Keyword arguments of :class:`~synth_replay.buffers.SyntheticOptions` and
            :class:`~synth_replay.buffers.EngineOptions`.

    Raises:
        ConfigError: If a value cannot be used.
        TypeError: If an option is unknown.
        UnsupportedSpaceError: If a space cannot be modelled (``ImageObservationError`` for pixels).
        UnsupportedBufferError: For hindsight experience replay.
        SpecMismatchError: If a saved generator is of another environment.
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
        n_steps: int = 1,
        gamma: float = 0.99,
        encoder: str | Path | None = None,
        seed: int | None = None,
        **options: Unpack[SyntheticOptions],
    ) -> None:
        refuse_hindsight(type(self), options)
        n_steps = refuse_n_steps(n_steps, observation_space)
        own_seed = seed_from_numpy() if seed is None else seed
        with explained_images(observation_space, encoder):
            if encoder is not None:
                self.frames = FrameEncoding(encoder, observation_space)
                observation_space = self.frames.encoder.space
            given = (observation_space, action_space)
            self.engine = synther_engine(*given, seed=own_seed, device=engine_device(device), **options)
        self.become(observation_space, n_steps)
        n_step_arguments: Any = {"n_steps": n_steps, "gamma": gamma} if isinstance(self, NStepReplayBuffer) else {}
        super().__init__(
            buffer_size,
            observation_space,
            action_space,
            device=device,
            n_envs=n_envs,
            optimize_memory_usage=optimize_memory_usage,
            handle_timeout_termination=handle_timeout_termination,
            **n_step_arguments,
        )
        self.check_size()

    def sample(self, batch_size: int, env: VecNormalize | None = None) -> Any:
        """Draws a batch: real rows by SB3, generated rows by us, shuffled.

        Args:
            batch_size: Rows in all; the number of real ones is exact.
            env: SB3's normaliser, applied to real and generated rows alike.

        Returns:
            SB3's own sample type, dtypes, shapes and device.
        """
        self.check_normalizer(env)
        self.engine.update({"real": self.stored_rows()}, self.to_host)
        counts = self.engine.plan(batch_size, real=self.size() * self.n_envs)
        samples = super().sample(counts.real, env)
        if not counts.generated:
            return samples
        made = sample_fields(self, self.engine.draw(counts), env)
        return joined(samples, made, self.engine.permutation(batch_size))

    def preload(self, transitions: Transitions | ReplayBuffer) -> None:
        """Writes real rows into the buffer: an offline dataset in environment units, or another buffer of SB3's.

        A refresh is due at the next ``sample``, so ``learn(0)`` and ``train()`` learn offline.

        Raises:
            InvalidTransitionsError: If rows are invalid or do not fit.
            SpecMismatchError: If they are of another environment.
        """
        if isinstance(transitions, ReplayBuffer):
            transitions = loose_transitions(transitions)
        transitions = transitions if self.frames is None else self.frames.rows(transitions)
        self.engine.generator.spec.with_extras(()).check(transitions)
        write_transitions(self, transitions)
        self.engine.notify(len(transitions))
        self.engine.request_refresh()

    @classmethod
    def from_transitions(
        cls,
        transitions: Transitions,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        buffer_size: int | None = None,
        **kwargs: Any,
    ) -> SyntheticReplayBuffer:
        """Returns a buffer that already holds an offline dataset: assign it to ``model.replay_buffer``.

        Args:
            transitions: Real rows in environment units.
            observation_space: Observation space of the environment.
            action_space: Action space of the environment.
            buffer_size: Most real transitions kept; the dataset's length by default.
            **kwargs: Other arguments of the class.
        """
        size = len(transitions) if buffer_size is None else buffer_size
        buffer = cls(size, observation_space, action_space, **kwargs)
        buffer.preload(transitions)
        return buffer
