"""Pixel episodes of an agent's snapshots, for collect_pixels.py.

Frames of dm_control are rendered without shadows, reflections and anti-aliasing, ``make_dmc_pixels(..., fast=True)``;
use the same setting for evaluation. For the share of fixed distracting data in arXiv 2508.12356, Table 2, collect a
second dataset with ``--distraction`` and mix the two with :func:`synth_replay.datasets.mix_episodes`.

The following was measured with seed 0 on one thread of a CPU core that was shared with other jobs. Cheetah-run takes 6
minutes of CPU time for 25,000 steps, in which the return rises from 11 to 248; 20,000 steps of medium-replay data take
another 1.5 minutes (mean return 46). Coinrun takes 5 minutes for 150,000 steps, in which the mean return of the last
100 training episodes rises from 1.9 to 8.1, the best of 21 scores; 50,000 steps of expert data take 2.5 minutes (mean
return 6.6). 1,000,000 steps take half an hour and reach 8.3. The mean return of that policy is 7.9 with sampled
actions, 0.5 with its best actions, and 7.7 with its best actions and one random action in five.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from itertools import cycle
from typing import Any

import gymnasium as gym
import numpy as np
from stable_baselines3.common.utils import set_random_seed
from tqdm.auto import tqdm

from common.collecting import MEDIUM_SHARE
from common.pixel_snapshots import Snapshot, learn
from common.pixel_tasks import ControlTask, GameTask, Task
from synth_replay.datasets import PixelEpisode, collect_episodes, require_free
from synth_replay.environments import GAMES, Distraction

QUALITIES = ("random", "medium-replay", "medium", "expert")


def snapshots_of_quality(taken: list[Snapshot], quality: str) -> list[Snapshot]:
    """Selects the snapshots that collect data of a quality."""
    start, best = taken[0], max(taken, key=lambda shot: shot.score)
    goal = start.score + MEDIUM_SHARE * (best.score - start.score)
    medium = next(number for number, shot in enumerate(taken) if shot.score >= goal)
    ranges = {"random": [start], "medium-replay": taken[: medium + 1], "medium": [taken[medium]], "expert": [best]}
    return ranges[quality]


def act(
    env: gym.Env[Any, Any], policies: list[Callable[[Any], Any]], steps: int, seed: int, returns: list[float]
) -> Iterator[PixelEpisode]:
    """Collects episodes of the policies in turn; the last is cut off after ``steps`` transitions in total.

    Args:
        env: Environment with pixel observations.
        policies: Functions from observation to action.
        steps: Number of transitions in total.
        seed: Seed of the first episode, which increases by one per episode.
        returns: List that receives the return of each episode.
    """
    turns = cycle(policies)
    with tqdm(total=steps, desc="collecting", unit="step") as bar:
        while bar.n < steps:
            place = {"steps": steps - bar.n, "seed": seed + len(returns)}
            episode = next(collect_episodes(env, next(turns), **place, progress=False))
            returns.append(float(episode.rewards.sum()))
            bar.update(len(episode))
            yield episode


def exploring(
    policies: list[Callable[[Any], Any]], env: gym.Env[Any, Any], epsilon: float, seed: int
) -> list[Callable[[Any], Any]]:
    """Wraps policies so that they take a random action with probability ``epsilon``."""
    rng, actions = np.random.default_rng(seed), env.action_space
    actions.seed(seed)

    def mixed(policy: Callable[[Any], Any]) -> Callable[[Any], Any]:
        return lambda seen: actions.sample() if rng.random() < epsilon else policy(seen)

    return [mixed(policy) for policy in policies]


def collect(args: argparse.Namespace) -> None:
    """Trains an agent if necessary, collects and writes a dataset, and prints a summary."""
    require_free(args.out)
    task = make_task(args)
    env = task.pixels(args.seed)  # before the training, because it checks the arguments
    folder = args.out.parent / f"{args.task}-policies-{args.train_steps}-seed{args.seed}"
    taken = learn(task, folder, args.train_steps, args.seed)
    set_random_seed(args.seed)
    models = [
        task.algorithm.load(folder / shot.file, device="cpu") for shot in snapshots_of_quality(taken, args.quality)
    ]
    returns: list[float] = []
    policies = [task.policy(model, env, best=args.epsilon is not None) for model in models]
    if args.epsilon is not None:
        policies = exploring(policies, env, args.epsilon, args.seed)
    episodes = act(env, policies, args.steps, args.seed, returns)
    rows = task.write(args.out, episodes)
    env.close()
    best = max(shot.score for shot in taken)
    print(f"{args.out}: {rows} steps in {len(returns)} episodes of {len(models)} policies in {folder}")
    print(f"mean return {np.mean(returns):.2f}; random policy {taken[0].score:.2f}, best {best:.2f}")


def make_task(args: argparse.Namespace) -> Task:
    """Creates the task of the arguments."""
    if args.task in GAMES:
        return GameTask(args.task, args.episodes)
    distraction = None
    if args.distraction is not None:
        distraction = Distraction(args.distraction, variant=args.variant, backgrounds=args.backgrounds, seed=args.seed)
    return ControlTask(args.task, args.size, distraction, args.episodes)
