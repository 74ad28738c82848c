"""Records episodes of frames from a running environment."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from synth_replay.datasets.pixels.episode import Frames, PixelEpisode
from synth_replay.errors import ConfigError, UnsupportedSpaceError
from synth_replay.progress import track
from synth_replay.spaces import Array


def collect_episodes(
    env: gym.Env[Any, Any],
    policy: Callable[[Any], Any],
    *,
    steps: int | None = None,
    episodes: int | None = None,
    seed: int,
    progress: bool | None = None,
) -> Iterator[PixelEpisode]:
    """Streams the episodes of a policy, to be written by one of this package's writers; memory holds one episode.

    Args:
        env: Environment with uint8 frames or stacks of frames as observations (see :func:`newest_frame`), and Box or
            Discrete actions. ``level_seed`` in the info of a reset is stored. ``final_frame_missing`` in the info of a
            last step says that the environment does not show the frame after it (Procgen). A terminated episode is then
            stored without that frame, and a truncated one without its last step.
        policy: Maps an observation of the environment to an action.
        steps: Number of transitions in all. The last episode is truncated there.
        episodes: Number of whole episodes in all; exactly one of ``steps`` and ``episodes`` must be given.
        seed: Seed of the environment's first reset.
        progress: Whether to show a progress bar; None shows it on a terminal.

    Raises:
        ConfigError: If not exactly one of ``steps`` and ``episodes`` is a positive number.
        UnsupportedSpaceError: If the observations are not frames, or the actions are of another kind.
    """
    given = [limit for limit in (steps, episodes) if limit is not None]
    if len(given) != 1 or given[0] < 1:
        raise ConfigError(f"Give either steps or episodes, at least 1; got steps={steps} and episodes={episodes}.")
    if not isinstance(env.action_space, (spaces.Box, spaces.Discrete)):
        raise UnsupportedSpaceError(f"Actions must be a Box or Discrete; this environment has {env.action_space}.")
    return _collect(env, policy, newest_frame(env.observation_space), steps, given[0], seed, progress)


def newest_frame(space: spaces.Space[Any]) -> Callable[[Array], Frames]:
    """Returns a function that takes the newest frame ``[C, H, W]`` from an observation.

    Args:
        space: A uint8 Box: a frame ``[H, W, C]`` or ``[C, H, W]``, frames stacked along the channels, or frames
            stacked along an additional first axis. The shorter of the first and last axis of a frame holds the
            channels. Channels are RGB if 3 divides their number, otherwise grey.

    Returns:
        A function that copies the frame, because environments may reuse their arrays.

    Raises:
        UnsupportedSpaceError: If the space is another one.
    """
    shape = tuple(space.shape or ())
    if not isinstance(space, spaces.Box) or space.dtype != np.uint8 or len(shape) not in (3, 4):
        raise UnsupportedSpaceError(
            f"Observations must be uint8 frames, or stacks of them; this environment has {space}. Wrap it in "
            "gymnasium.wrappers.AddRenderObservation."
        )
    first = shape[-3] < shape[-1]
    channels = 3 if (shape[-3] if first else shape[-1]) % 3 == 0 else 1

    def newest(observation: Array) -> Frames:
        frame = np.asarray(observation)
        frame = frame[-1] if frame.ndim == 4 else frame
        frame = frame[-channels:] if first else frame[..., -channels:].transpose(2, 0, 1)
        return np.array(frame, np.uint8, order="C")

    return newest


def _collect(
    env: gym.Env[Any, Any],
    policy: Callable[[Any], Any],
    newest: Callable[[Array], Frames],
    steps: int | None,
    total: int,
    seed: int,
    progress: bool | None,
) -> Iterator[PixelEpisode]:
    done = 0
    unit = "episode" if steps is None else "step"
    with track(total, "collecting", unit, progress, keep=True) as bar:
        while done < total:
            start = env.reset(seed=None if done else seed)
            episode = _one_episode(env, policy, newest, start, None if steps is None else total - done)
            gained = 1 if steps is None else len(episode)
            done += gained
            bar.update(gained)
            yield episode


def _one_episode(
    env: gym.Env[Any, Any],
    policy: Callable[[Any], Any],
    newest: Callable[[Array], Frames],
    start: tuple[Any, dict[str, Any]],
    limit: int | None,
) -> PixelEpisode:
    observation, info = start
    level = info.get("level_seed")
    frames, taken, rewards = [newest(observation)], list[Array](), list[float]()
    terminated = truncated = False
    while not (terminated or truncated or len(rewards) == limit):
        action = policy(observation)
        observation, reward, terminated, truncated, info = env.step(action)
        frames.append(newest(observation))
        taken.append(np.array(action))
        rewards.append(float(reward))
    if info.get("final_frame_missing"):
        frames.pop()
    kept = len(rewards) if terminated else len(frames) - 1
    return PixelEpisode(
        np.stack(frames),
        np.stack(taken)[:kept],
        np.array(rewards)[:kept],
        terminated,
        None if level is None else int(level),
    )
