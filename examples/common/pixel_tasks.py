"""The two kinds of tasks of collect_pixels.py: what learns them, and what they look like."""

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
from synth_replay.environments import Distraction, ProcgenEnv, make_dmc_pixels
from synth_replay.environments.dmc import RepeatedActions
from synth_replay.environments.libraries import load_dm_control

ACTION_REPEAT = 2  # V-D4RL
EPISODES = 5  # of dm_control, for a score
GAME_COPIES = 16  # of a game, to learn from


class ControlTask:
    """A dm_control task. SAC learns it from states, which is fast; a camera is on only while data are collected.

    Args:
        name: ``<domain>-<task>``.
        size: Height and width of a frame: 64 is written as npz files, 84 as HDF5.
        distraction: Of the frames; the policy does not see it.
    """

    algorithm = SAC

    def __init__(self, name: str, size: int, distraction: Distraction | None) -> None:
        self.domain, _, self.task = name.partition("-")
        self.size, self.distraction = size, distraction

    def learner(self, seed: int, steps: int) -> BaseAlgorithm:
        """A small SAC, of the size that two CPU cores can train."""
        networks = {"net_arch": [128, 128], "optimizer_kwargs": {"fused": True}}
        sizes = {"batch_size": 128, "buffer_size": steps, "learning_starts": 1000}
        return SAC("MlpPolicy", self.states(seed), 1e-3, policy_kwargs=networks, seed=seed, device="cpu", **sizes)

    def states(self, seed: int, copies: int = 1) -> VecEnv:
        """The task as the learner sees it."""
        suite, _, compatible = load_dm_control()

        def make() -> gym.Env[Any, Any]:
            env = compatible(suite.load(self.domain, self.task, task_kwargs={"random": seed}))
            return FlattenObservation(RepeatedActions(env, ACTION_REPEAT))

        return make_vec_env(make, copies, seed)

    def score(self, model: BaseAlgorithm, seed: int) -> float:
        """Mean return of the stochastic policy."""
        return mean_return(model, self.states(seed, EPISODES))

    def pixels(self, seed: int) -> gym.Env[Any, Any]:
        """The task as the data show it."""
        options: dict[str, Any] = {"size": self.size, "distraction": self.distraction, "seed": seed}
        return make_dmc_pixels(self.domain, self.task, frame_stack=1, action_repeat=ACTION_REPEAT, **options)

    def policy(self, model: BaseAlgorithm, env: gym.Env[Any, Any], best: bool) -> Callable[[Any], Any]:
        """The policy, sampled or at its best: it looks at the simulator's state in place of the frames."""
        inner: Any = env.unwrapped

        def act(_: Any) -> Any:
            state = gym.spaces.flatten(inner.observation_space, inner.task.get_observation(inner.physics))
            return model.predict(np.asarray(state), deterministic=best)[0]

        return act

    def write(self, out: Path, episodes: Iterator[PixelEpisode]) -> int:
        """Writes V-D4RL's layout for this size; returns the number of transitions."""
        return (write_vd4rl_npz if self.size == 64 else write_vd4rl_hdf5)(out, episodes)


class GameTask:
    """A Procgen game, easy, levels 0 to 199 as in Offline Procgen. PPO learns it from frames.

    Args:
        game: One of :data:`synth_replay.environments.GAMES`.
    """

    algorithm = PPO

    def __init__(self, game: str) -> None:
        self.game = game

    def learner(self, seed: int, steps: int) -> BaseAlgorithm:  # noqa: ARG002
        """PPO as in Cobbe et al. 2020, with Nature's small network: IMPALA's takes 17 times longer on a CPU."""
        networks = {"features_extractor_kwargs": {"features_dim": 256}}
        rollouts = {"n_steps": 128, "batch_size": 256, "n_epochs": 3, "gamma": 0.999, "ent_coef": 0.01}
        return PPO("CnnPolicy", self.states(seed), 5e-4, policy_kwargs=networks, seed=seed, device="cpu", **rollouts)

    def states(self, seed: int) -> VecEnv:
        """The game as the learner sees it: several at once, with rewards of unit scale."""
        copies = make_vec_env(lambda: ProcgenEnv(self.game), GAME_COPIES, seed)
        return VecNormalize(copies, norm_obs=False, gamma=0.999)

    def score(self, model: BaseAlgorithm, seed: int) -> float:
        """Mean return of the last 100 episodes that it learnt from; of some of its own before there are 100."""
        learnt = [episode["r"] for episode in model.ep_info_buffer or ()]
        return float(np.mean(learnt)) if len(learnt) == 100 else mean_return(model, self.states(seed))

    def pixels(self, seed: int) -> gym.Env[Any, Any]:
        """The game as the data show it."""
        return ProcgenEnv(self.game, seed=seed)

    def policy(self, model: BaseAlgorithm, env: gym.Env[Any, Any], best: bool) -> Callable[[Any], Any]:  # noqa: ARG002
        """The policy of frames, sampled or at its best."""
        return lambda frame: np.int64(model.predict(frame, deterministic=best)[0])

    def write(self, out: Path, episodes: Iterator[PixelEpisode]) -> int:
        """Writes Offline Procgen's layout; returns the number of transitions."""
        return write_offline_procgen(out, episodes)


Task = ControlTask | GameTask


def mean_return(model: BaseAlgorithm, env: VecEnv) -> float:
    """Mean return of the stochastic policy, one episode in each copy of the environment."""
    score, _ = evaluate_policy(model, env, env.num_envs, deterministic=False)
    env.close()
    return float(score)
