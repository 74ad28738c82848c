"""Policy expansion as a d3rlpy explorer, for pex_d3rlpy.py."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from d3rlpy.algos import Explorer


class PolicyExpansion(Explorer):
    """Samples between the actions of two policies, by a softmax over their values.

    Args:
        frozen: Policy trained offline.
        temperature: Temperature of the softmax.
        seed: Seed of the choices.
    """

    def __init__(self, frozen: Any, temperature: float = 1.0, seed: int = 0) -> None:
        self.frozen, self.temperature = frozen, temperature
        self.rng = np.random.default_rng(seed)
        self.chosen = np.zeros(2, int)

    def sample(self, algo: Any, x: Any, step: int) -> np.ndarray:  # noqa: ARG002
        """Chooses actions ``[n, A]`` for the observations ``x``."""
        proposals = np.stack([self.frozen.predict(x), algo.sample_action(x)])
        values = np.stack([algo.predict_value(x, actions) for actions in proposals])
        choice = (values / self.temperature + self.rng.gumbel(size=values.shape)).argmax(axis=0)
        self.chosen += np.bincount(choice, minlength=2)
        return proposals[choice, np.arange(len(choice))]


def evaluate(algo: Any, explorer: PolicyExpansion, env: gym.Env[Any, Any], episodes: int = 5) -> float:
    """Computes the mean return of the two policies acting together."""
    total = 0.0
    for _ in range(episodes):
        observation, ended = env.reset()[0], False
        while not ended:
            action = explorer.sample(algo, observation[None], 0)[0]
            observation, reward, terminated, truncated, _ = env.step(action)
            total, ended = total + float(reward), terminated or truncated
    return total / episodes
