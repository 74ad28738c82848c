"""The two kinds of tasks of collect_pixels.py: their agents and their environments."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.wrappers import FlattenObservation
from stable_baselines3 import PPO, SAC
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import VecEnv, VecNormalize

from synth_replay.datasets import PixelEpisode, write_offline_procgen, write_vd4rl_hdf5, write_vd4rl_npz
from synth_replay.environments import ActionRepeat, Distraction, ProcgenEnv, load_dm_control, make_dmc_pixels

ACTION_REPEAT = 2  # V-D4RL
GAME_COPIES = 16  # environments of a game in training
EPISODES, GAME_EPISODES = 5, 16  # for a score


class ControlTask:
    """A dm_control task, which SAC learns from states; frames are rendered only while data are collected.

    Args:
        name: Name ``<domain>-<task>``.
        size: Height and width of a frame: 64 is written as npz files, 84 as HDF5.
        distraction: Distraction of the frames, which the policy does not see.
        episodes: Episodes for a score; None takes 5.
    """

    algorithm = SAC

    def __init__(self, name: str, size: int, distraction: Distraction | None, episodes: int | None = None) -> None:
        self.domain, _, self.task = name.partition("-")
        self.size, self.distraction, self.episodes = size, distraction, episodes or EPISODES

    def learner(self, seed: int, steps: int) -> BaseAlgorithm:
        """Creates a small SAC, which two CPU cores can train."""
        networks = {"net_arch": [128, 128], "optimizer_kwargs": {"fused": True}}
        sizes = {"batch_size": 128, "buffer_size": steps, "learning_starts": 1000}
        return SAC("MlpPolicy", self.states(seed), 1e-3, policy_kwargs=networks, seed=seed, device="cpu", **sizes)

    def states(self, seed: int, copies: int = 1) -> VecEnv:
        """Creates the environment of the training."""
        suite, _, compatible = load_dm_control()

        def make() -> gym.Env[Any, Any]:
            env = compatible(suite.load(self.domain, self.task, task_kwargs={"random": seed}))
            return FlattenObservation(ActionRepeat(env, ACTION_REPEAT))

        return make_vec_env(make, copies, seed)

    def score(self, model: BaseAlgorithm, seed: int) -> float:
        """Computes the mean return of the stochastic policy."""
        return mean_return(model, self.states(seed, self.episodes))

    def pixels(self, seed: int) -> gym.Env[Any, Any]:
        """Creates the environment of the data."""
        options: dict[str, Any] = {"size": self.size, "distraction": self.distraction, "seed": seed}
        return make_dmc_pixels(self.domain, self.task, frame_stack=1, action_repeat=ACTION_REPEAT, **options)

    def policy(self, model: BaseAlgorithm, env: gym.Env[Any, Any], best: bool) -> Callable[[Any], Any]:
        """Wraps the policy, with sampled or best actions; it reads the simulator's state instead of the frames."""
        inner: Any = env.unwrapped

        def act(_: Any) -> Any:
            state = gym.spaces.flatten(inner.observation_space, inner.task.get_observation(inner.physics))
            return model.predict(np.asarray(state), deterministic=best)[0]

        return act

    def write(self, out: Path, episodes: Iterator[PixelEpisode]) -> int:
        """Writes V-D4RL's layout for this size; returns the number of transitions."""
        return (write_vd4rl_npz if self.size == 64 else write_vd4rl_hdf5)(out, episodes)


class GameTask:
    """A Procgen game in easy mode with levels 0 to 199, as in Offline Procgen, which PPO learns from frames.

    Args:
        game: Name of the game, one of :data:`synth_replay.environments.GAMES`.
        episodes: Episodes for a score before 100 have been played in training; None takes 16.
    """

    algorithm = PPO

    def __init__(self, game: str, episodes: int | None = None) -> None:
        self.game, self.episodes = game, episodes or GAME_EPISODES

    def learner(self, seed: int, steps: int) -> BaseAlgorithm:  # noqa: ARG002
        """Creates PPO as in Cobbe et al. 2020, but with the Nature CNN: IMPALA's takes 17 times as long on a CPU."""
        networks = {"features_extractor_kwargs": {"features_dim": 256}}
        rollouts = {"n_steps": 128, "batch_size": 256, "n_epochs": 3, "gamma": 0.999, "ent_coef": 0.01}
        return PPO(
            "CnnPolicy",
            self.states(seed, GAME_COPIES),
            5e-4,
            policy_kwargs=networks,
            seed=seed,
            device="cpu",
            **rollouts,
        )

    def states(self, seed: int, copies: int) -> VecEnv:
        """Creates environments with rewards of unit scale."""
        env = make_vec_env(lambda: ProcgenEnv(self.game), copies, seed)
        return VecNormalize(env, norm_obs=False, gamma=0.999)

    def score(self, model: BaseAlgorithm, seed: int) -> float:
        """Computes the mean return of the last 100 training episodes, or of new episodes if there are fewer."""
        learnt = [episode["r"] for episode in model.ep_info_buffer or ()]
        return float(np.mean(learnt)) if len(learnt) == 100 else mean_return(model, self.states(seed, self.episodes))

    def pixels(self, seed: int) -> gym.Env[Any, Any]:
        """Creates the environment of the data."""
        return ProcgenEnv(self.game, seed=seed)

    def policy(self, model: BaseAlgorithm, env: gym.Env[Any, Any], best: bool) -> Callable[[Any], Any]:  # noqa: ARG002
        """Wraps the policy, with sampled or best actions."""
        return lambda frame: np.int64(model.predict(frame, deterministic=best)[0])

    def write(self, out: Path, episodes: Iterator[PixelEpisode]) -> int:
        """Writes Offline Procgen's layout; returns the number of transitions."""
        return write_offline_procgen(out, episodes)


Task = ControlTask | GameTask


def mean_return(model: BaseAlgorithm, env: VecEnv) -> float:
    """Computes the mean return of the stochastic policy over one episode in each copy of the environment."""
    score, _ = evaluate_policy(model, env, env.num_envs, deterministic=False)
    env.close()
    return float(score)
