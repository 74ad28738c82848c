"""Step 5: zero-shot evaluation in unseen environments (arXiv 2508.12356, Section 5)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import gymnasium as gym
import numpy as np

from synth_replay.encoders import LatentEncoder
from synth_replay.evaluation import latent_divergence
from synth_replay.progress import track
from synth_replay.spaces import Array
from synth_replay_visual.branch import Branch
from synth_replay_visual.config import VisualConfig
from synth_replay_visual.results import Evaluation
from synth_replay_visual.tasks import Task

KEEP_EVERY = 5  # steps between two observations that are kept
TEST_SEED = 10_000  # far from the seeds of training; multiplied by 1, 2, ... for the seeds of a study
DIVERGENCE_ROWS = 500

Env = gym.Env[Array, Any]


class Actor(Protocol):
    """The interface of an agent in an evaluation; every d3rlpy algorithm implements it."""

    def predict(self, observations: Array, /) -> Array:
        """Returns the best actions ``[n, ...]`` for observations ``[n, C, H, W]``."""
        ...


@dataclass(frozen=True)
class PlayedEpisodes:
    """Episodes of one evaluation.

    Attributes:
        returns: Return of each episode.
        observations: Every fifth observation, ``[n, C, H, W]``.
    """

    returns: tuple[float, ...]
    observations: Array


def evaluate_agent(branch: Branch, actor: Actor, encoder: LatentEncoder, frame_size: int) -> Evaluation:
    """Evaluates an agent in training and test environments, and compares their latents.

    All arms of a seed meet the same episodes; another seed has other distractions and levels.

    Args:
        branch: Branch of the experiment.
        actor: Agent on pixels.
        encoder: Frozen encoder of the agent.
        frame_size: Height and width of a frame.
    """
    task = branch.task
    played = play_environments(task, actor, frame_size, branch.config, branch.seed)
    latents = _latents(played, encoder, branch.seed)
    divergences = {kind: latent_divergence(latents[task.train], latents[kind]) for kind in task.tests}
    return Evaluation(
        branch.config.evaluation,
        {kind: found.returns for kind, found in played.items()},
        {kind: tuple(float(x) for x in found.per_dimension) for kind, found in divergences.items()},
    )


def play_environments(
    task: Task, actor: Actor, frame_size: int, config: VisualConfig, seed: int
) -> dict[str, PlayedEpisodes]:
    """Plays the episodes of a seed's evaluation in every kind of environment of a task.

    Args:
        task: Task of the agent.
        actor: Agent on pixels.
        frame_size: Height and width of a frame.
        config: Sizes of the pipeline: number of episodes, share of random actions.
        seed: Seed of the arm.

    Returns:
        Episodes by kind, the training environment first.
    """
    kinds = (task.train, *task.tests)
    first, played = TEST_SEED * (seed + 1), {}
    with track(len(kinds), "Evaluating", "environment", keep=True) as shown:
        for kind in kinds:
            make_env = partial(task.make_env, kind, frame_size)
            played[kind] = play_episodes(actor, make_env, config.episodes, first, config.epsilon)
            shown.update()
    return played


def play_episodes(
    actor: Actor, make_env: Callable[[], Env], episodes: int, seed: int, epsilon: float = 0.0
) -> PlayedEpisodes:
    """Plays whole episodes side by side, with the agent's best actions.

    Args:
        actor: Agent on pixels.
        make_env: Function that makes the environment; each episode has its own.
        episodes: Number of episodes.
        seed: Seed of the first episode; the others have the following ones.
        epsilon: Probability of a random action in each step, in [0, 1].
    """
    rng = np.random.default_rng(seed)
    played = [_Episode(make_env(), seed + i) for i in range(episodes)]
    seen, step = [], 0
    while any(not episode.over for episode in played):
        running = [i for i, episode in enumerate(played) if not episode.over]
        observations = np.stack([played[i].observation for i in running])
        if step % KEEP_EVERY == 0:
            seen.append(observations)
        explores = rng.random(episodes) < epsilon  # at the same steps of an episode for every agent
        for i, action in zip(running, actor.predict(observations), strict=True):
            played[i].step(action, bool(explores[i]))
        step += 1
    return PlayedEpisodes(tuple(episode.close() for episode in played), np.concatenate(seen))


class _Episode:
    """A running episode in an environment of its own."""

    def __init__(self, env: Env, seed: int) -> None:
        env.action_space.seed(seed)
        self._env, self._total, self.over = env, 0.0, False
        self.observation = env.reset(seed=seed)[0]

    def step(self, action: Any, explore: bool) -> None:
        taken = self._env.action_space.sample() if explore else action
        self.observation, reward, terminated, truncated, _ = self._env.step(taken)
        self._total += float(reward)
        self.over = terminated or truncated

    def close(self) -> float:
        """Closes the environment, and returns the return of the episode."""
        self._env.close()
        return self._total


def _latents(played: Mapping[str, PlayedEpisodes], encoder: LatentEncoder, seed: int) -> dict[str, Array]:
    """Encodes as many random observations of each kind, since the divergence depends on their number."""
    rows = min(DIVERGENCE_ROWS, *(len(found.observations) for found in played.values()))
    rng = np.random.default_rng(seed)
    return {
        kind: encoder.encode(found.observations[rng.permutation(len(found.observations))[:rows]])
        for kind, found in played.items()
    }
