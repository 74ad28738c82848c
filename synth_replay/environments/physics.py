"""A dm_control task that observes its own physics, for comparisons with the simulator."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from synth_replay.environments.optional_imports import load_dm_control
from synth_replay.spaces import Array


class PhysicsEnv(gym.Env[Array, Array]):
    """The task of :func:`~synth_replay.environments.make_dmc_pixels` with ``physics.get_state()`` as observation.

    The state holds positions, velocities and, where a model has them, activations. Record it beside the pixels by
    ``env.unwrapped.physics.get_state()`` to fit a :class:`~synth_replay.evaluation.StateProbe`. Tasks that move a
    target within the model (reacher, finger) have further state, which is missing here.

    Args:
        domain: Domain of the suite, such as ``cheetah``.
        task: Task of the domain, such as ``run``.
        action_repeat: Physics steps of the suite per action; 2 in V-D4RL.
        seed: Seed of the initial states.

    Raises:
        MissingExtraError: If dm_control, Shimmy or an OpenGL library is missing.
    """

    def __init__(self, domain: str = "cheetah", task: str = "run", *, action_repeat: int = 2, seed: int = 0) -> None:
        suite, _, _ = load_dm_control()
        self._env = suite.load(domain, task, task_kwargs={"random": seed})
        self._steps, self._repeats = round(self._env.control_timestep() / self.physics.timestep()), action_repeat
        actions = self._env.action_spec()
        low, high = (np.asarray(x, np.float32) for x in (actions.minimum, actions.maximum))
        self.action_space = spaces.Box(low, high, dtype=np.float32)
        self.observation_space = spaces.Box(-np.inf, np.inf, self.physics.get_state().shape, np.float64)

    @property
    def physics(self) -> Any:
        """Physics of dm_control."""
        return self._env.physics

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Array, dict[str, Any]]:
        """Draws an initial state from the constructor's seed; ``seed`` has no effect."""
        super().reset(seed=seed, options=options)
        self._env.reset()
        return self.physics.get_state(), {}

    def set_state(self, state: Array) -> None:
        """Sets the simulator to ``state``."""
        with self.physics.reset_context():
            self.physics.set_state(state)

    def step(self, action: Array) -> tuple[Array, float, bool, bool, dict[str, Any]]:
        """Repeats the action; there is no time limit."""
        task, total, ended = self._env.task, 0.0, False
        for _ in range(self._repeats):
            task.before_step(np.asarray(action, np.float64), self.physics)
            self.physics.step(self._steps)
            task.after_step(self.physics)
            total += float(task.get_reward(self.physics))
            ended = task.get_termination(self.physics) is not None
            if ended:
                break
        return self.physics.get_state(), total, ended, False, {}
