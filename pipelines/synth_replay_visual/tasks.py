"""Tasks of dm_control and Procgen: environments, algorithm, augmentations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import gymnasium as gym
import numpy as np
from d3rlpy.algos import DiscreteCQLConfig
from gymnasium import spaces

from synth_replay.augment import PIXEL_PRESETS, BackgroundOverlay, PixelAugmenter
from synth_replay.encoders import Augmenter
from synth_replay.environments import GAMES, ProcgenEnv, make_dmc_pixels
from synth_replay.errors import ConfigError
from synth_replay.spaces import Array
from synth_replay_d3rlpy import DrQBCConfig, TrunkEncoderFactory
from synth_replay_visual.config import VisualConfig

MOVES = ("stand", "walk", "run")
DMC_TASKS = ("cheetah-run", *(f"{body}-{move}" for body in ("walker", "humanoid") for move in MOVES))
# tests draw backgrounds of all patterns, so half of them have patterns that training never shows
TRAINING_PATTERNS = ("gradient", "noise")
PROCGEN_FRAME_SIZE = 64
PROCGEN_LEARNING_RATE = 5e-4  # of discrete CQL
TRAINING_LEVELS = 200  # of Procgen; Mediratta et al. 2024


class Task(Protocol):
    """The interface of a task, as the pipeline uses it."""

    @property
    def name(self) -> str:
        """Name on the command line."""
        ...

    @property
    def frame_stack(self) -> int:
        """Number of frames in an observation."""
        ...

    @property
    def n_steps(self) -> int:
        """Number of steps of a return, in pretraining."""
        ...

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the encoder's features."""
        ...

    @property
    def train(self) -> str:
        """Kind of the environment in which the data were collected."""
        ...

    @property
    def tests(self) -> tuple[str, ...]:
        """Kinds of the unseen environments."""
        ...

    def make_env(self, kind: str, frame_size: int) -> gym.Env[Array, Any]:
        """Makes an environment of a kind, with frames ``[C, frame_size, frame_size]``."""
        ...

    def agent_config(self, config: VisualConfig) -> Any:
        """Returns the d3rlpy config of the agent on pixels."""
        ...

    def generalization_augmenter(self, seed: int) -> PixelAugmenter:
        """Makes the paper's four augmentations, which the latents of augmented arms are encoded from."""
        ...

    def pretraining_augmenter(self, augmented: bool, seed: int) -> Augmenter | None:
        """Makes the augmentation of the batches in pretraining; None leaves them unchanged."""
        ...


@dataclass(frozen=True)
class DmcTask:
    """A task of dm_control for DrQ+BC; the tests have distractions of three levels (V-D4RL).

    Attributes:
        name: Name of body and task, such as ``cheetah-run``.
        fast: Whether frames are drawn without shadows, reflections and multisampling, as in
            ``examples/collect_pixels.py``; V-D4RL's own data have them.
        frame_stack: Number of frames in an observation.
        n_steps: Number of steps of a return, in pretraining.
        features: Names of the encoder's features.
        train: Kind of the environment in which the data were collected.
        tests: Kinds of the unseen environments.
    """

    name: str
    fast: bool = True
    frame_stack: int = 3
    n_steps: int = 3
    features: tuple[str, ...] = ("actor", "critic")
    train: str = "original"
    tests: tuple[str, ...] = ("easy", "medium", "hard")

    def make_env(self, kind: str, frame_size: int) -> gym.Env[Array, Any]:
        """Makes an environment with stacked frames and an action repeat of 2."""
        domain, _, task = self.name.partition("-")
        distraction = None if kind == self.train else kind
        made: gym.Env[Array, Any] = make_dmc_pixels(
            domain, task, size=frame_size, frame_stack=self.frame_stack, distraction=distraction, fast=self.fast
        )
        return made

    def agent_config(self, config: VisualConfig) -> DrQBCConfig:
        """Returns the config of DrQ+BC, whose noise has shrunk at the end of pretraining."""
        factory = TrunkEncoderFactory("drq", config.feature_size, list(config.hidden_units))
        rate = config.learning_rate or DrQBCConfig.actor_learning_rate
        return DrQBCConfig(
            actor_learning_rate=rate,
            critic_learning_rate=rate,
            batch_size=config.batch_size,
            actor_encoder_factory=factory,
            critic_encoder_factory=factory,
            noise_steps=config.pretrain_steps,
        )

    def generalization_augmenter(self, seed: int) -> PixelAugmenter:
        """Makes the paper's four augmentations, with smooth backgrounds; those of the tests have edges as well."""
        overlay = BackgroundOverlay(patterns=TRAINING_PATTERNS)
        parts = [overlay if name == "background_overlay" else name for name in PIXEL_PRESETS["generalization"]]
        return PixelAugmenter(parts, channels_last=False, seed=seed)

    def pretraining_augmenter(self, augmented: bool, seed: int) -> Augmenter:
        """Makes DrQ's random shift; in augmented arms the paper's four augmentations come first."""
        shift = PixelAugmenter(["random_shift"], channels_last=False, seed=seed)
        return _Chain(self.generalization_augmenter(seed + 1), shift) if augmented else shift


@dataclass(frozen=True)
class ProcgenTask:
    """A game of Procgen for discrete CQL; the tests have levels that the data do not have (Mediratta et al. 2024).

    Attributes:
        name: Name of the game, such as ``coinrun``.
        frame_stack: Number of frames in an observation.
        n_steps: Number of steps of a return, in pretraining.
        features: Names of the encoder's features.
        train: Kind of the environment in which the data were collected.
        tests: Kinds of the unseen environments.
    """

    name: str
    frame_stack: int = 1
    n_steps: int = 1
    features: tuple[str, ...] = ("critic",)
    train: str = "train"
    tests: tuple[str, ...] = ("test",)

    def make_env(self, kind: str, frame_size: int) -> gym.Env[Array, Any]:
        """Makes the game with levels 0 to 199 for training, or with all levels for the test.

        Raises:
            ConfigError: If the frames are not 64 x 64.
        """
        if frame_size != PROCGEN_FRAME_SIZE:
            raise ConfigError(
                f"Procgen draws frames of 64 x 64; the dataset has {frame_size} x {frame_size}. Use 64 x 64 data."
            )
        env = ProcgenEnv(self.name, num_levels=TRAINING_LEVELS if kind == self.train else 0)
        space = spaces.Box(0, 255, (3, frame_size, frame_size), np.uint8)
        return gym.wrappers.TransformObservation(env, lambda frame: np.moveaxis(frame, -1, 0), space)

    def agent_config(self, config: VisualConfig) -> DiscreteCQLConfig:
        """Returns the config of discrete CQL with an IMPALA network."""
        factory = TrunkEncoderFactory("impala", config.feature_size, list(config.hidden_units))
        return DiscreteCQLConfig(
            batch_size=config.batch_size,
            learning_rate=config.learning_rate or PROCGEN_LEARNING_RATE,
            encoder_factory=factory,
            target_update_interval=min(1_000, max(1, config.pretrain_steps // 10)),
        )

    def generalization_augmenter(self, seed: int) -> PixelAugmenter:
        """Makes the paper's four augmentations."""
        return PixelAugmenter("generalization", channels_last=False, seed=seed)

    def pretraining_augmenter(self, augmented: bool, seed: int) -> Augmenter | None:
        """Makes the paper's four augmentations in augmented arms, else None."""
        return self.generalization_augmenter(seed) if augmented else None


def make_task(name: str, fast: bool = True) -> Task:
    """Makes a task by its name.

    Args:
        name: ``cheetah-run``, ``walker-walk``, another task of dm_control, or a game of Procgen.
        fast: Whether dm_control draws fast; see :class:`DmcTask`.

    Raises:
        ConfigError: If there is no such task.
    """
    if name in GAMES:
        return ProcgenTask(name)
    if name in DMC_TASKS:
        return DmcTask(name, fast)
    raise ConfigError(
        f"Unknown task {name!r}. Choose one of dm_control's, {', '.join(DMC_TASKS)}, or a game of Procgen, "
        f"{', '.join(GAMES)}."
    )


@dataclass
class _Chain:
    """One augmentation after another."""

    first: PixelAugmenter
    second: PixelAugmenter

    def reseed(self, seed: int) -> None:
        self.first.reseed(seed)
        self.second.reseed(seed + 1)

    def __call__(self, observations: Array, next_observations: Array, /) -> tuple[Array, Array]:
        found: tuple[Array, Array] = self.second(*self.first(observations, next_observations))
        return found
