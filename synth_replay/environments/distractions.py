"""The Distracting Control Suite (Stone et al. 2021) as V-D4RL (Lu et al. 2023) evaluates with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import gymnasium as gym
import numpy as np

from synth_replay.environments.background import BackgroundDistraction
from synth_replay.environments.camera import CameraDistraction
from synth_replay.environments.color import ColorDistraction
from synth_replay.errors import ConfigError

DISTRACTION_LEVELS = {"easy": (0.1, 4), "medium": (0.2, 8), "hard": (0.3, 60)}  # scale, number of backgrounds
DISTRACTION_KINDS = ("background", "camera", "color")
DISTRACTION_VARIANTS = ("static", "dynamic", "fixed")


@dataclass(frozen=True)
class Distraction:
    """Settings of a visual distraction: what changes in the pictures, how much and when.

    Attributes:
        level: Strength ``easy``, ``medium`` or ``hard``: scale 0.1, 0.2 or 0.3 and 4, 8 or 60 backgrounds.
        kinds: Distractions to apply, some of ``background``, ``camera`` and ``color``. Each has its own random stream,
            so leaving one out does not change the others.
        variant: Time of the draws: ``static`` draws at each reset, ``dynamic`` also moves at each step, ``fixed`` draws
            once from ``seed`` alone, whatever the environment's seed is.
        backgrounds: Folder of images, or of folders with the frames of videos, as in DAVIS 2017's ``JPEGImages/480p``
            (download it from davischallenge.org; it cannot be bundled). The first 4, 8 or 60 in the order of their
            names are used. None draws patterns.
        seed: Seed that is combined with the episode's: other values give other distractions in the same episodes.

    Raises:
        ConfigError: If a level, kind or variant is unknown, there is no kind, or the seed is negative.
    """

    level: str = "easy"
    kinds: tuple[str, ...] = DISTRACTION_KINDS
    variant: str = "static"
    backgrounds: str | Path | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.level not in DISTRACTION_LEVELS:
            raise ConfigError(f"Unknown level of distraction {self.level!r}; choose {', '.join(DISTRACTION_LEVELS)}.")
        if self.variant not in DISTRACTION_VARIANTS:
            raise ConfigError(f"Unknown variant {self.variant!r}; choose {', '.join(DISTRACTION_VARIANTS)}.")
        if not self.kinds or not set(self.kinds) <= set(DISTRACTION_KINDS):
            raise ConfigError(f"Unknown kinds of distraction {self.kinds!r}; give some of {DISTRACTION_KINDS}.")
        if self.seed < 0:
            raise ConfigError(f"The seed of distractions is {self.seed}; it must not be negative.")


class SceneDistraction(Protocol):
    """The interface of one kind of distraction, which changes the pictures and nothing that the physics reads."""

    def draw(self, rng: np.random.Generator) -> None:
        """Draws a state for an episode at random."""

    def move(self, rng: np.random.Generator) -> None:
        """Changes the state by one step."""

    def apply(self) -> None:
        """Writes the state into the scene."""


class DistractedEnv(gym.Wrapper[Any, Any, Any, Any]):
    """Distracts the pictures of a dm_control environment; states and rewards stay unchanged.

    Apply it below frame stacks and other wrappers that call ``render()``. ``reset(seed=...)`` restarts its random
    streams together with the environment's.

    Args:
        env: Shimmy's dm_control environment, perhaps wrapped, with ``physics`` and an ``rgb_array`` render mode.
        distraction: Settings of the distraction.
        camera_id: Number of the camera that ``env.render()`` uses.
        floor_alpha: Opacity of the floor before a background: 1 for cheetah and walker, 0.3 for others (V-D4RL).
        seed: Seed of the episodes before the first seeded reset; None takes one from the operating system.

    Raises:
        ConfigError: If the camera does not follow the agent, or the model has no sky.
        DatasetError: If the folder has no images.
    """

    def __init__(
        self,
        env: gym.Env[Any, Any],
        distraction: Distraction,
        camera_id: int = 0,
        floor_alpha: float = 1.0,
        seed: int | None = None,
    ) -> None:
        super().__init__(env)
        self.distraction, self._fresh = distraction, True
        self._active = _scene_distractions(env.get_wrapper_attr("physics"), distraction, camera_id, floor_alpha)
        self._reseed(int(np.random.SeedSequence().generate_state(1)[0]) if seed is None else seed)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Resets the environment and, unless they are fixed, draws distractions."""
        if seed is not None:
            self._reseed(seed)
        result = super().reset(seed=seed, options=options)
        if self._fresh or self.distraction.variant != "fixed":
            for kind, change in self._active.items():
                change.draw(self._rngs[kind])
        self._fresh = False
        return result

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Steps the environment and moves distractions that are dynamic."""
        result = super().step(action)
        if self.distraction.variant == "dynamic":
            for kind, change in self._active.items():
                change.move(self._rngs[kind])
        return result

    def render(self) -> Any:
        """Renders the distracted picture."""
        for change in self._active.values():
            change.apply()
        return super().render()

    def _reseed(self, seed: int) -> None:
        episodes = [] if self.distraction.variant == "fixed" else [seed]
        self._rngs = {
            kind: np.random.default_rng([self.distraction.seed, DISTRACTION_KINDS.index(kind), *episodes])
            for kind in self._active
        }


def _scene_distractions(
    physics: Any, distraction: Distraction, camera_id: int, floor_alpha: float
) -> dict[str, SceneDistraction]:
    scale, count = DISTRACTION_LEVELS[distraction.level]
    dynamic = distraction.variant == "dynamic"
    makers: dict[str, Callable[[], SceneDistraction]] = {
        "background": lambda: BackgroundDistraction(physics, count, distraction.backgrounds, dynamic, floor_alpha),
        "camera": lambda: CameraDistraction(physics, camera_id, scale),
        "color": lambda: ColorDistraction(physics, scale),
    }
    return {kind: make() for kind, make in makers.items() if kind in distraction.kinds}
