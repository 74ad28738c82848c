"""Training of an agent with scored snapshots, from which collect_pixels.py can resume."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from tqdm.auto import tqdm

from common.pixel_tasks import Task

SNAPSHOTS = 20  # most snapshots besides the untrained policy; scoring one takes as long as 1,000 steps


class Snapshot(NamedTuple):
    """A policy on disk and its mean return.

    Attributes:
        step: Environment steps of training.
        score: Mean return.
        file: Name of the policy's file.
    """

    step: int
    score: float
    file: str


def learn(task: Task, folder: Path, steps: int, seed: int) -> list[Snapshot]:
    """Trains an agent, or resumes from the last snapshot; each is on disk before the next begins.

    Args:
        task: Task to learn.
        folder: Folder of the snapshots.
        steps: Environment steps in total.
        seed: Seed of the agent and the environment.

    Returns:
        All snapshots, the untrained policy first.
    """
    folder.mkdir(parents=True, exist_ok=True)
    index = folder / "snapshots.json"
    taken = [Snapshot(*row) for row in json.loads(index.read_text())] if index.exists() else []
    if taken and taken[-1].step >= steps:
        return taken
    model = new_or_resumed(task, folder, taken, steps, seed)
    count = int(np.clip(steps // 1_000, 3, SNAPSHOTS))
    with tqdm(np.linspace(0, steps, count + 1).astype(int).tolist(), desc="learning", unit="snapshot") as bar:
        for target in bar:
            if taken and taken[-1].step >= target:  # PPO continues to the end of its rollout
                continue
            model.learn(target - model.num_timesteps, reset_num_timesteps=False)
            score = task.score(model, seed + target)
            taken.append(Snapshot(model.num_timesteps, score, f"policy-{target}.zip"))
            save(model, folder, taken)
            bar.set_postfix({"return": f"{score:.1f}"})
    (folder / "replay.pkl").unlink(missing_ok=True)
    return taken


def new_or_resumed(task: Task, folder: Path, taken: list[Snapshot], steps: int, seed: int) -> Any:
    """Creates a new agent, or loads the last one that was saved."""
    if not taken:
        return task.learner(seed, steps)
    last = taken[-1]
    model = task.algorithm.load(folder / last.file, env=task.states(seed), device="cpu")
    model.set_random_seed(seed + last.step)
    if isinstance(model, OffPolicyAlgorithm):
        model.load_replay_buffer(folder / "replay.pkl")
    return model


def save(model: Any, folder: Path, taken: list[Snapshot]) -> None:
    """Writes a snapshot; it becomes valid when the index, written last, lists it."""
    if isinstance(model, OffPolicyAlgorithm):
        model.save_replay_buffer(folder / "replay.pkl")
    model.save(folder / taken[-1].file)
    fresh = folder / "snapshots.json.new"
    fresh.write_text(json.dumps(taken, indent=2) + "\n")
    fresh.replace(folder / "snapshots.json")
