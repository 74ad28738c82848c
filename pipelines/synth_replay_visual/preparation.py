"""Checks before hours of training, and the choice of episodes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from synth_replay.checkpoint import write_atomically
from synth_replay.datasets import PixelDataset, PixelSubset
from synth_replay.errors import CheckpointError, ConfigError, SpecMismatchError
from synth_replay_visual.config import VisualConfig
from synth_replay_visual.tasks import Task

MAY_CHANGE = ("save_every", "episodes", "epsilon")  # settings that keep agents and latents valid


def claim_folder(out: Path, task: Task, data: PixelDataset, config: VisualConfig) -> None:
    """Reserves a results folder for one task, dataset and config; a folder that has these already is accepted.

    Args:
        out: Folder of all results, created if it is missing.
        task: Task of the agents.
        data: Dataset of all arms.
        config: Sizes of the pipeline.

    Raises:
        ConfigError: If the task has no such latent.
        CheckpointError: If the folder belongs to another task, dataset or size.
    """
    latents = ("concat", "sum", *task.features)
    if config.latent not in latents:
        raise ConfigError(f"The latent of {task.name} is one of {', '.join(latents)}; got {config.latent!r}.")
    sizes = {name: str(value) for name, value in vars(config).items() if name not in MAY_CHANGE}
    wanted = {"task": str(task), "data": data.fingerprint, "size": sizes}
    path = out / "run.json"
    out.mkdir(parents=True, exist_ok=True)
    with FileLock(out / ".lock"):  # several processes may run arms of one study
        if not path.exists():
            write_atomically(path, json.dumps(wanted, indent=1).encode())
        held = json.loads(path.read_text())
    if held != wanted:
        differing = ", ".join(name for name, value in wanted.items() if held.get(name) != value)
        raise CheckpointError(f"{out} holds results of another {differing}. Choose another folder.")


def check_environments(task: Task, data: PixelDataset) -> None:
    """Makes every environment of the evaluation once, so that errors appear before hours of training.

    Args:
        task: Task of the agents.
        data: Dataset of all arms.

    Raises:
        MissingExtraError: If the simulator, or a library that it draws with, is missing.
        ConfigError: If the simulator cannot draw frames of the dataset's size.
        SpecMismatchError: If the dataset has other observations or actions, or belongs to another game.
    """
    if (game := getattr(data, "game", task.name)) != task.name:
        raise SpecMismatchError(f"{data.path} is of another game: {game}, not {task.name}. Give data of {task.name}.")
    channels, height, width = data.frame_shape
    wanted = (task.frame_stack * channels, height, width)
    for kind in (task.train, *task.tests):
        env = task.make_env(kind, height)
        shape, actions = env.observation_space.shape, env.action_space
        env.close()
        if shape != wanted or _signature(actions) != _signature(data.action_space):
            raise SpecMismatchError(
                f"{task.name} has observations {shape} and actions {actions}; the data have {wanted} and "
                f"{data.action_space}. Is {data.path} of another task?"
            )


def _signature(space: Any) -> tuple[Any, ...]:
    return type(space), space.shape, getattr(space, "n", None)


def sample_episodes(data: PixelDataset, rows: int | None, seed: int) -> PixelDataset:
    """Samples whole episodes without replacement until they have at least ``rows`` transitions.

    Args:
        data: Dataset to choose from.
        rows: Number of transitions; None for the whole dataset.
        seed: Seed of the choice.

    Returns:
        The chosen episodes in their original order, read from disk on demand.
    """
    if rows is None or rows >= len(data):
        return data
    order = np.random.default_rng(seed).permutation(len(data.lengths))
    count = int(np.searchsorted(np.cumsum(data.lengths[order]), rows)) + 1
    return PixelSubset(data, np.sort(order[:count]))
