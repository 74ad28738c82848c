"""What our buffers leave to Stable-Baselines3."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.vec_env import VecNormalize

from synth_replay.buffers.engine import SynthesisEngine
from synth_replay.buffers.incoming import refuse_nonfinite
from synth_replay.buffers.messages import warn_if_too_small
from synth_replay.buffers.real_rows import StoredRows
from synth_replay.buffers.stats import SynthesisStats
from synth_replay.buffers.store import HostColumns
from synth_replay.transitions import Transitions
from synth_replay_sb3.conversion import host_columns, stored_count, stored_transitions
from synth_replay_sb3.pixels.encoding import FrameEncoding
from synth_replay_sb3.refusals import refuse_normalized
from synth_replay_sb3.variants import host_class, over


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

    def become(self, observation_space: spaces.Space[Any], n_steps: int = 1) -> None:
        """Adds SB3's buffer for such observations and returns as a base class, also to a user's subclass."""
        self.__class__ = over(type(self), host_class(observation_space, n_steps))

    def check_size(self) -> None:
        """Warns if the buffer is too small for a fit, unless a saved generator or real rows alone fill its batches."""
        if not (self.engine.mixture.rule.never or self.engine.generator.fitted):
            warn_if_too_small(self.buffer_size * self.n_envs)

    def add(self, obs: Any, next_obs: Any, action: Any, reward: Any, done: Any, infos: list[dict[str, Any]]) -> None:
        """Stores a step of all environments, as SB3 does, and counts it.

        Raises:
            InvalidTransitionsError: If a value is NaN or infinite, unless no rows are ever generated.
        """
        if self.frames is not None:
            obs, next_obs = self.frames.step(obs, next_obs)
        if not self.engine.mixture.rule.never:
            values = {"reward": np.asarray(reward, np.float32).reshape(-1), "observation": obs}
            values |= {"next observation": next_obs, "action": action}
            refuse_nonfinite(values, self.engine.steps, self.pos)
        super().add(obs, next_obs, action, reward, done, infos)
        self.engine.notify(self.n_envs)

    def reset(self) -> None:
        """Empties the buffer, as SB3 does, and forgets the generated rows too."""
        super().reset()
        self.engine.reset()

    def stored_rows(self) -> StoredRows:
        """Returns the real rows for a refit, in environment units."""
        return StoredRows(lambda: stored_count(self), lambda chosen: stored_transitions(self, chosen))

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


def engine_device(device: torch.device | str) -> torch.device | str:
    """Returns the device of a generator: the CPU if the GPU is missing, as SB3 does for its batches."""
    lacking = str(device).startswith("cuda") and not torch.cuda.is_available()
    return "cpu" if lacking else device
