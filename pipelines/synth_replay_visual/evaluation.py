"""Episodes of an agent of pixels, several at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np

from synth_replay.spaces import Array

EVERY = 5  # steps between two observations that are kept


def play(
    agent: Any, make_env: Callable[[], gym.Env[Array, Any]], episodes: int, seed: int, epsilon: float = 0.0
) -> tuple[list[float], Array]:
    """Plays whole episodes with the agent's best actions.

    Args:
        agent: d3rlpy algorithm for frames.
        make_env: Makes the environment; each episode has its own.
        episodes: How many.
        seed: Of the first; the others follow.
        epsilon: Chance of a random action in each step.

    Returns:
        The returns, and every fifth observation seen ``[n, C, H, W]``.
    """
    envs = [make_env() for _ in range(episodes)]
    rng = np.random.default_rng(seed)
    for i, env in enumerate(envs):
        env.action_space.seed(seed + i)
    observations = [env.reset(seed=seed + i)[0] for i, env in enumerate(envs)]
    returns, running, seen = np.zeros(episodes), list(range(episodes)), []
    step = 0
    while running:
        stacked = np.stack([observations[i] for i in running])
        if step % EVERY == 0:
            seen.append(stacked)
        actions = agent.predict(stacked)
        explores = rng.random(episodes) < epsilon  # the same steps of an episode for every agent
        for i, action in zip(list(running), actions, strict=True):
            taken = envs[i].action_space.sample() if explores[i] else action
            observations[i], reward, ended, cut, _ = envs[i].step(taken)
            returns[i] += float(reward)
            if ended or cut:
                running.remove(i)
        step += 1
    for env in envs:
        env.close()
    return returns.tolist(), np.concatenate(seen)
