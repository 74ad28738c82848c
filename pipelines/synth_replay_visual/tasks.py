"""What differs between dm_control and Procgen: environments, algorithm, what an evaluation compares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import gymnasium as gym
import numpy as np
from d3rlpy.algos import DiscreteCQLConfig
from gymnasium import spaces

from synth_replay.augment.pixels import PIXEL_PRESETS, BackgroundOverlay, PixelAugmenter
from synth_replay.encoders.encoding import Augmenter
from synth_replay.environments import make_dmc_pixels
from synth_replay.environments.procgen_games import TIME_LIMITS
from synth_replay.errors import ConfigError
from synth_replay.spaces import Array
from synth_replay_d3rlpy.pixels.drq_bc import DrQBCConfig
from synth_replay_d3rlpy.pixels.networks import TrunkEncoderFactory
from synth_replay_visual.config import VisualConfig

MOVES = ("stand", "walk", "run")
DMC_TASKS = ("cheetah-run", *(f"{body}-{move}" for body in ("walker", "humanoid") for move in MOVES))
OVERLAID = ("gradient", "noise")  # test backgrounds are of all patterns, so that half of them are of unseen ones
FRAME = 64  # pixels of Procgen
PROCGEN_LEARNING_RATE = 5e-4  # of discrete CQL


class Task(Protocol):
    """A task of the pipeline."""

    @property
    def name(self) -> str:
        """As on the command line."""
        ...

    @property
    def frame_stack(self) -> int:
        """Frames of an observation."""
        ...

    @property
    def n_steps(self) -> int:
        """Steps of a return in learning from pixels."""
        ...

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the encoder's features."""
        ...

    @property
    def train(self) -> str:
        """Kind of the environment that the data are from."""
        ...

    @property
    def tests(self) -> tuple[str, ...]:
        """Kinds of the unseen ones."""
        ...

    def make_env(self, kind: str, size: int) -> gym.Env[Array, Any]:
        """An environment of ``train`` or one of ``tests`` with frames ``[C, size, size]``."""
        ...

    def config(self, size: VisualConfig) -> Any:
        """Settings of the agent of pixels."""
        ...

    def generalization(self, seed: int) -> PixelAugmenter:
        """The paper's four: what the augmented arms' latents are of."""
        ...

    def augmenter(self, augmented: bool, seed: int) -> Augmenter | None:
        """What the agent of pixels sees in training."""
        ...


@dataclass(frozen=True)
class DmcTask:
    """A task of dm_control with DrQ+BC; tests have distractions of three levels (V-D4RL).

    Attributes:
        fast: Draw without shadows, reflections and multisampling, as ``examples/collect_pixels.py`` does; V-D4RL's own
            data have them.
    """

    name: str
    fast: bool = True
    frame_stack: int = 3
    n_steps: int = 3
    features: tuple[str, ...] = ("actor", "critic")
    train: str = "original"
    tests: tuple[str, ...] = ("easy", "medium", "hard")

    def make_env(self, kind: str, size: int) -> gym.Env[Array, Any]:
        """Stacked frames, an action repeat of 2."""
        domain, _, task = self.name.partition("-")
        distraction = None if kind == self.train else kind
        made: gym.Env[Array, Any] = make_dmc_pixels(
            domain, task, size=size, frame_stack=self.frame_stack, distraction=distraction, fast=self.fast
        )
        return made

    def config(self, size: VisualConfig) -> DrQBCConfig:
        """DrQ+BC; its noise has shrunk when the updates are over."""
        factory = TrunkEncoderFactory("drq", size.feature_size, list(size.hidden_units))
        rate = size.learning_rate or DrQBCConfig.actor_learning_rate
        return DrQBCConfig(
            actor_learning_rate=rate,
            critic_learning_rate=rate,
            batch_size=size.batch_size,
            actor_encoder_factory=factory,
            critic_encoder_factory=factory,
            noise_steps=size.pretrain_steps,
        )

    def generalization(self, seed: int) -> PixelAugmenter:
        """The paper's four. Backgrounds are smooth ones; those of the tests have edges as well."""
        overlay = BackgroundOverlay(patterns=OVERLAID)
        parts = [overlay if name == "background_overlay" else name for name in PIXEL_PRESETS["generalization"]]
        return PixelAugmenter(parts, channels_last=False, seed=seed)

    def augmenter(self, augmented: bool, seed: int) -> Augmenter:
        """DrQ's random shift, and the paper's four before it."""
        shift = PixelAugmenter(["random_shift"], channels_last=False, seed=seed)
        return _Both(self.generalization(seed + 1), shift) if augmented else shift


@dataclass(frozen=True)
class ProcgenTask:
    """A game of Procgen with discrete CQL; tests are levels that the data do not have (Mediratta et al. 2024)."""

    name: str
    frame_stack: int = 1
    n_steps: int = 1
    features: tuple[str, ...] = ("critic",)
    train: str = "train"
    tests: tuple[str, ...] = ("test",)

    def make_env(self, kind: str, size: int) -> gym.Env[Array, Any]:
        """Levels 0 to 199, or all levels."""
        if size != FRAME:
            raise ConfigError(f"Procgen draws frames of 64 x 64; the dataset has {size} x {size}.")
        from synth_replay.environments import ProcgenEnv

        env = ProcgenEnv(self.name, num_levels=200 if kind == self.train else 0)
        space = spaces.Box(0, 255, (3, FRAME, FRAME), np.uint8)
        return gym.wrappers.TransformObservation(env, lambda frame: np.moveaxis(frame, -1, 0), space)

    def config(self, size: VisualConfig) -> DiscreteCQLConfig:
        """Discrete CQL with an IMPALA network."""
        factory = TrunkEncoderFactory("impala", size.feature_size, list(size.hidden_units))
        return DiscreteCQLConfig(
            batch_size=size.batch_size,
            learning_rate=size.learning_rate or PROCGEN_LEARNING_RATE,
            encoder_factory=factory,
            target_update_interval=min(1_000, max(1, size.pretrain_steps // 10)),
        )

    def generalization(self, seed: int) -> PixelAugmenter:
        """The paper's four."""
        return PixelAugmenter("generalization", channels_last=False, seed=seed)

    def augmenter(self, augmented: bool, seed: int) -> Augmenter | None:
        """Nothing, or the paper's four."""
        return self.generalization(seed) if augmented else None


def make_task(name: str, fast: bool = True) -> Task:
    """``cheetah-run``, ``walker-walk``, ... or a game of Procgen.

    Args:
        name: As in the sentence above.
        fast: How dm_control is drawn; see :class:`DmcTask`.

    Raises:
        ConfigError: If there is no such task.
    """
    if name in TIME_LIMITS:
        return ProcgenTask(name)
    if name in DMC_TASKS:
        return DmcTask(name, fast)
    raise ConfigError(
        f"Unknown task {name!r}: there are {', '.join(DMC_TASKS)} of dm_control, and the games of Procgen, "
        f"{', '.join(TIME_LIMITS)}."
    )


@dataclass
class _Both:
    """One augmentation after the other."""

    first: PixelAugmenter
    second: PixelAugmenter

    def reseed(self, seed: int) -> None:
        self.first.reseed(seed)
        self.second.reseed(seed + 1)

    def __call__(self, observations: Array, next_observations: Array, /) -> tuple[Array, Array]:
        found: tuple[Array, Array] = self.second(*self.first(observations, next_observations))
        return found
