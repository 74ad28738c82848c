"""What our buffers leave to Stable-Baselines3."""

from __future__ import annotations

from typing import Any

from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.vec_env import VecNormalize

from synth_replay.buffers.engine import SynthesisEngine
from synth_replay.buffers.stats import SynthesisStats
from synth_replay.buffers.store import HostColumns
from synth_replay.transitions import Transitions
from synth_replay_sb3.conversion import host_columns
from synth_replay_sb3.pixels.encoding import FrameEncoding
from synth_replay_sb3.refusals import refuse_normalized


class HostBuffer(ReplayBuffer):
    """A buffer of SB3's that counts environment steps for an engine.

    Subclasses set ``engine``, and ``frames`` where the environment's frames are kept as latents.
    """

    engine: SynthesisEngine
    frames: FrameEncoding | None = None

    @property
    def stats(self) -> SynthesisStats:
        """Refreshes, losses and shares up to now."""
        return self.engine.stats

    def add(self, obs: Any, next_obs: Any, *args: Any, **kwargs: Any) -> None:
        """Stores a step of all environments, as SB3 does, and counts it."""
        if self.frames is not None:
            obs, next_obs = self.frames.step(obs, next_obs)
        super().add(obs, next_obs, *args, **kwargs)
        self.engine.notify(self.n_envs)

    def check_normalizer(self, env: VecNormalize | None) -> None:
        """Checks that SB3's normaliser can be applied to the rows of this buffer.

        Raises:
            ConfigError: If it normalises observations that are kept as latents.
        """
        if self.frames is not None:
            refuse_normalized(env)

    def to_host(self, rows: Transitions) -> HostColumns:
        """Returns rows in environment units as SB3's columns."""
        return host_columns(rows, self.action_space)
