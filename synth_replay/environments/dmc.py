"""dm_control tasks with pixel observations."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.wrappers import AddRenderObservation, FrameStackObservation, TransformObservation
from numpy.typing import NDArray

from synth_replay.environments.distractions import DistractedEnv, Distraction
from synth_replay.environments.optional_imports import load_dm_control, refuse_rendering
from synth_replay.errors import ConfigError

OPAQUE_FLOORS = ("cheetah", "walker")  # their cameras look across the floor, those of other domains down on it


def make_dmc_pixels(
    domain: str = "cheetah",
    task: str = "run",
    *,
    size: int = 84,
    frame_stack: int = 3,
    action_repeat: int = 2,
    camera_id: int = 0,
    channels_first: bool = True,
    fast: bool = True,
    distraction: Distraction | str | None = None,
    seed: int | None = None,
) -> gym.Env[NDArray[np.uint8], NDArray[np.float32]]:
    """Creates a task of the DeepMind Control Suite with pixel observations, with the settings of V-D4RL and DrQ-v2.

    Observations are the last frames as uint8 ``[3 * frame_stack, size, size]``, the oldest first; the first frame is
    repeated at a reset. Actions are float32. Rewards are summed over repeated actions, so an episode of 1,000 physics
    steps is truncated after ``1000 / action_repeat``. ``render()`` returns the newest frame, and
    ``env.unwrapped.physics`` is the simulator.

    Fast rendering omits shadows, reflections and anti-aliasing: it is several times as fast on a CPU and the picture
    differs slightly. V-D4RL's files were recorded with all three, so evaluate agents that were trained on them with
    ``fast=False``.

    Without a display on Linux, ``MUJOCO_GL`` is set to ``egl`` unless it is set already.

    Args:
        domain: Domain of the suite, such as ``cheetah``, ``walker`` or ``humanoid``.
        task: Task of the domain, such as ``run`` or ``walk``.
        size: Height and width of a frame: 84 in the part of V-D4RL for DrQ-v2, 64 in the part for DreamerV2.
        frame_stack: Number of frames in an observation.
        action_repeat: Physics steps of the suite per action.
        camera_id: Number of the model's camera.
        channels_first: Layout of observations; False gives ``[size, size, 3 * frame_stack]``.
        fast: Whether to omit shadows, reflections and anti-aliasing.
        distraction: Distraction of the pictures, or its level: ``easy``, ``medium`` or ``hard``.
        seed: Seed of initial states and distractions until a seeded reset; None takes one from the operating system.

    Raises:
        ConfigError: If the domain, task, camera or level is unknown, or a number is below 1.
        DatasetError: If the folder of backgrounds has no images.
        MissingExtraError: If dm_control, Shimmy or an OpenGL library is missing.
    """
    numbers = {"size": size, "frame_stack": frame_stack, "action_repeat": action_repeat}
    if wrong := [f"{name}={value}" for name, value in numbers.items() if value < 1]:
        raise ConfigError(f"These must be at least 1: {', '.join(wrong)}.")
    distraction = Distraction(distraction) if isinstance(distraction, str) else distraction
    suite, engine, compatible = load_dm_control()
    _check_task(suite, domain, task)
    env = compatible(suite.load(domain, task, task_kwargs={"random": seed}), render_mode="rgb_array")
    env = OffscreenCamera(ActionRepeat(env, action_repeat), engine.Camera, size, camera_id, fast)
    if distraction is not None:
        env = DistractedEnv(env, distraction, camera_id, 1.0 if domain in OPAQUE_FLOORS else 0.3, seed)
    env = FrameStackObservation(AddRenderObservation(env), frame_stack)
    axes = (0, 3, 1, 2) if channels_first else (1, 2, 0, 3)
    shape = (3 * frame_stack, size, size) if channels_first else (size, size, 3 * frame_stack)
    space = spaces.Box(0, 255, shape, np.uint8)
    return TransformObservation(env, lambda frames: np.transpose(frames, axes).reshape(shape), space)


class ActionRepeat(gym.Wrapper[Any, Any, Any, Any]):
    """Takes float32 actions and repeats each, summing rewards, until the episode ends."""

    def __init__(self, env: gym.Env[Any, Any], repeats: int) -> None:
        super().__init__(env)
        own = env.action_space
        assert isinstance(own, spaces.Box)
        self.action_space = spaces.Box(own.low.astype(np.float32), own.high.astype(np.float32), dtype=np.float32)
        self._repeats = repeats

    def step(self, action: NDArray[np.float32]) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Repeats the action until the episode ends, at most ``repeats`` times."""
        total = 0.0
        for _ in range(self._repeats):
            observation, reward, terminated, truncated, info = self.env.step(action)
            total += float(reward)
            if terminated or truncated:
                break
        return observation, total, terminated, truncated, info


class OffscreenCamera(gym.Wrapper[Any, Any, Any, Any]):
    """Renders with one persistent camera, where dm_control creates a new scene for each picture."""

    def __init__(self, env: gym.Env[Any, Any], make_camera: Any, size: int, camera_id: int, fast: bool) -> None:
        super().__init__(env)
        physics = env.get_wrapper_attr("physics")
        if not -1 <= camera_id < physics.model.ncam:
            raise ConfigError(f"There is no camera {camera_id}; this model has 0 to {physics.model.ncam - 1}.")
        visual = physics.model.vis
        visual.global_.offwidth = visual.global_.offheight = max(size, 480)
        if fast:
            visual.quality.offsamples = 0
        self._flags = {"shadow": False, "reflection": False} if fast else {}
        try:
            self._camera = make_camera(physics, size, size, camera_id)
        except Exception as error:  # every OpenGL backend raises its own types
            refuse_rendering(error)

    def render(self) -> Any:
        """Renders a uint8 ``[size, size, 3]`` picture."""
        return self._camera.render(render_flag_overrides=self._flags).copy()


def _check_task(suite: Any, domain: str, task: str) -> None:
    tasks = suite.TASKS_BY_DOMAIN
    if domain not in tasks:
        raise ConfigError(f"Unknown domain {domain!r}; there are {', '.join(sorted(tasks))}.")
    if task not in tasks[domain]:
        raise ConfigError(f"{domain} has no task {task!r}; it has {', '.join(tasks[domain])}.")
