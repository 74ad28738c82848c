"""Procgen (Cobbe et al. 2020) as a Gymnasium environment."""

from __future__ import annotations

from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.error import InvalidAction, ResetNeeded
from numpy.typing import NDArray

from synth_replay.environments.optional_imports import load_procgen, refuse_procgen
from synth_replay.environments.procgen_games import TIME_LIMITS
from synth_replay.errors import ConfigError

GAMES = tuple(TIME_LIMITS)
# Checked here because the engine aborts the whole process when a game lacks a mode
MODES = {
    "easy": GAMES,
    "hard": GAMES,
    "extreme": ("chaser", "dodgeball", "leaper", "starpilot"),
    "memory": ("caveflyer", "dodgeball", "heist", "jumper", "maze", "miner"),
}
MAX_LEVEL = 2**31 - 1


class _View(NamedTuple):
    """The engine's frame ``[64, 64, 3]``, its picture ``[512, 512, 3]`` or None, and the number of the level."""

    frame: NDArray[np.uint8]
    picture: NDArray[np.uint8] | None
    level: int


class ProcgenEnv(gym.Env[NDArray[np.uint8], np.int64]):
    """One Procgen game; also ``gymnasium.make("synth_replay/Procgen-coinrun-v0", num_levels=200)``.

    Observations are uint8 ``[64, 64, 3]``, actions the 15 key combinations. The engine does not tell terminations from
    time limits and starts the next level at once, so it never draws the last frame of an episode. Here an episode that
    reaches the time limit of its game without completing the level is truncated, any other is terminated. The last step
    returns the last frame that was drawn, which is one step old, never a frame of the next level. A termination exactly
    at the time limit is indistinguishable from the limit and counts as a truncation.

    ``info["level_seed"]`` is the current level, ``info["level_complete"]`` tells whether this step completed it, and
    ``info["final_frame_missing"]`` that the frame after this step was never drawn.

    Args:
        game: Name of the game, one of :data:`GAMES`.
        num_levels: Number of levels, 0 for all 2^31 (the test levels of the papers).
        start_level: First level; Offline Procgen trains on 0-199 and validates on 200-249.
        distribution_mode: Difficulty ``easy`` or ``hard``, and for some games ``extreme`` or ``memory``.
        seed: Seed of the sequence of levels, which ``reset(seed=...)`` restarts.
        render_mode: None, or ``rgb_array``, with which :meth:`render` returns uint8 ``[512, 512, 3]`` and every step is
            slower.

    Raises:
        ConfigError: If the game or mode is unknown, the game lacks the mode, or levels lie outside ``[0, 2^31)``.
        MissingExtraError: If Procgen, or a system library that it needs, is missing.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 15}

    def __init__(
        self,
        game: str = "coinrun",
        num_levels: int = 200,
        start_level: int = 0,
        distribution_mode: str = "easy",
        seed: int | None = None,
        render_mode: str | None = None,
    ) -> None:
        _check(game, num_levels, start_level, distribution_mode, render_mode)
        self.observation_space = spaces.Box(0, 255, (64, 64, 3), np.uint8)
        self.action_space = spaces.Discrete(15)
        self.render_mode = render_mode
        self.time_limit = 2000 if (game, distribution_mode) == ("jumper", "memory") else TIME_LIMITS[game]
        self._options = {
            "env_name": game,
            "num_levels": int(num_levels),
            "start_level": int(start_level),
            "distribution_mode": distribution_mode,
            "render_mode": render_mode,
        }
        self._engine: Any = None
        self._view: _View
        self._waiting: _View | None  # first view of the next episode, until reset() returns it
        super().reset(seed=seed)
        self._start()

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.uint8], dict[str, Any]]:
        """Starts the next level; a seed restarts the sequence of levels."""
        super().reset(seed=seed, options=options)
        if seed is not None:
            self._start()
        if self._waiting is None:
            self._engine.act(np.array([-1]))
            self._waiting = self._look()[0]
        self._view, self._waiting, self._steps = self._waiting, None, 0
        return self._view.frame, {"level_seed": self._view.level, "level_complete": False}

    def step(self, action: np.int64) -> tuple[NDArray[np.uint8], float, bool, bool, dict[str, Any]]:
        """Plays one frame.

        Raises:
            ResetNeeded: If :meth:`reset` was not called at the start or after the end of an episode.
            InvalidAction: If the action is outside 0-14; the engine would take -1 as a reset.
        """
        if self._waiting is not None:
            raise ResetNeeded("The episode has ended or has not begun: call reset() first.")
        if not self.action_space.contains(action):
            raise InvalidAction(f"Procgen has the actions 0 to 14, not {action}.")
        self._engine.act(np.array([action]))
        view, reward, ended, complete = self._look()
        self._steps += 1
        truncated = ended and not complete and self._steps >= self.time_limit
        self._view, self._waiting = (self._view, view) if ended else (view, None)
        info = {"level_seed": self._view.level, "level_complete": complete, "final_frame_missing": ended}
        return self._view.frame, reward, ended and not truncated, truncated, info

    def render(self) -> Any:
        """Returns the current picture, uint8 ``[512, 512, 3]``, in ``rgb_array`` mode, else None."""
        return self._view.picture

    def close(self) -> None:
        """Frees the engine."""
        if self._engine is not None:
            self._engine.close()
            self._engine = None

    def _start(self) -> None:
        """Creates a new engine, because an engine's seed cannot be changed."""
        self.close()
        seed = int(self.np_random.integers(MAX_LEVEL))
        try:
            self._engine = load_procgen().ProcgenGym3Env(num=1, num_threads=0, rand_seed=seed, **self._options)
        except OSError as error:
            refuse_procgen(error)
        # This look-up lets close() do without cffi's lock. An engine that is garbage-collected while another one holds
        # the lock would wait for ever.
        _ = self._engine._c_lib.libenv_close
        self._waiting = self._look()[0]

    def _look(self) -> tuple[_View, float, bool, bool]:
        """Returns the engine's view, the reward, whether the episode has ended, and whether its level is complete."""
        reward, observation, first = self._engine.observe()
        info = self._engine.get_info()[0]
        view = _View(observation["rgb"][0], info.get("rgb"), int(info["level_seed"]))
        return view, float(reward[0]), bool(first[0]), bool(info["prev_level_complete"])


def _check(game: str, num_levels: int, start_level: int, mode: str, render_mode: str | None) -> None:
    if game not in GAMES:
        raise ConfigError(f"Unknown Procgen game {game!r}; there are {', '.join(GAMES)}.")
    if mode not in MODES:
        raise ConfigError(f"Unknown distribution mode {mode!r}; there are {', '.join(MODES)}.")
    if game not in MODES[mode]:
        raise ConfigError(f"{game} has no {mode} mode; these games have: {', '.join(MODES[mode])}.")
    if num_levels < 0 or start_level < 0 or start_level + num_levels > MAX_LEVEL:
        raise ConfigError(f"Levels {start_level} to {start_level + num_levels} are not all within 0 to {MAX_LEVEL}.")
    if num_levels == 0 and start_level:
        raise ConfigError(f"num_levels=0 means all levels, so start_level={start_level} has no effect: leave it out.")
    if render_mode not in (None, "rgb_array"):
        raise ConfigError(f"Unknown render mode {render_mode!r}; there is 'rgb_array'.")
