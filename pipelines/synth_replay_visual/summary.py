"""Summaries of all arms: the paper's tables, its divergence maps, and a picture of observations."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from synth_replay.checkpoint import write_atomically
from synth_replay.datasets import PixelDataset
from synth_replay.evaluation import Divergence, GeneralizationTable, Returns, generalization_table
from synth_replay.report import divergence_map, normalized_divergence_map, save_png
from synth_replay.spaces import Array
from synth_replay_visual.preparation import sample_episodes
from synth_replay_visual.results import ArmResult
from synth_replay_visual.tasks import Task

ARM_LABELS = {"baseline": "Baseline", "upsampled": "Upsampled", "augmented": "Augmented", "augmented_upsampled": "Both"}
COLUMN_LABELS = {
    "original": "Original",
    "train": "Train",
    "easy": "Easy",
    "medium": "Medium",
    "hard": "Hard",
    "test": "Test",
}
PICTURES = 8  # observations in a row of the picture
STEPS_BETWEEN = 60  # transitions of the dataset between two of them


def returns_by_arm(task: Task, results: Sequence[ArmResult]) -> dict[str, Returns]:
    """Returns the mean training returns ``[seeds]`` and test returns ``[seeds, levels]`` of every arm with results."""
    found = {}
    for arm, label in ARM_LABELS.items():
        returns = [result.evaluation.returns for result in results if result.arm == arm]
        if returns:
            train = np.array([np.mean(r[task.train]) for r in returns])
            test = np.array([[np.mean(r[kind]) for kind in task.tests] for r in returns])
            found[label] = Returns(train, test)
    return found


def divergences_by_arm(results: Sequence[ArmResult]) -> dict[str, Divergence]:
    """Returns the divergence of every arm with results, as the mean over seeds and kinds of test environment.

    Dimensions are sorted by size before the mean, since dimensions of different encoders do not correspond.
    """
    found = {}
    for arm, label in ARM_LABELS.items():
        divergences = [d for r in results if r.arm == arm for d in r.evaluation.divergence.values()]
        if divergences:
            found[label] = Divergence(-np.sort(-np.array(divergences), axis=1).mean(0))
    return found


def results_table(task: Task, results: Sequence[ArmResult]) -> GeneralizationTable:
    """Returns the paper's Table 1 or 3 for one task.

    Raises:
        ConfigError: If there is no result of the baseline.
    """
    levels = [COLUMN_LABELS[kind] for kind in task.tests]
    returns = returns_by_arm(task, results)
    return generalization_table({task.name: returns}, train=COLUMN_LABELS[task.train], levels=levels)


def write_summary(task: Task, data: PixelDataset, results: Sequence[ArmResult], out: Path) -> list[Path]:
    """Writes ``results.json``, ``table.md`` and three pictures.

    Args:
        task: Task of the agents.
        data: Dataset of the task.
        results: Results of :func:`run_pipeline`, with the baseline.
        out: Folder of the files.

    Returns:
        The files.

    Raises:
        ConfigError: If there is no result of the baseline.
        MissingExtraError: If matplotlib is not installed.
    """
    from matplotlib.image import imsave

    table, divergences = results_table(task, results), divergences_by_arm(results)
    payload = {"task": task.name, "table": table.to_dict(), "results": [result.to_dict() for result in results]}
    write_atomically(out / "results.json", json.dumps(payload, indent=1).encode())
    write_atomically(out / "table.md", table.markdown().encode())
    save_png(divergence_map(divergences, title=task.name), out / "divergence.png")
    save_png(normalized_divergence_map({task.name: divergences}), out / "divergence_mean.png")
    imsave(out / "observations.png", observation_grid(task, data))
    return [out / n for n in ("results.json", "table.md", "divergence.png", "divergence_mean.png", "observations.png")]


def observation_grid(task: Task, data: PixelDataset, seed: int = 0) -> Array:
    """Returns a picture of what agents see: the dataset, augmented data, and each kind of test environment.

    Args:
        task: Task of the agents.
        data: Dataset of the task.
        seed: Seed of episodes, augmentations and environments.

    Returns:
        Picture ``[H, W, 3]`` uint8 with one row for each.
    """
    chosen = sample_episodes(data, PICTURES * STEPS_BETWEEN, seed)
    rows = next(chosen.transitions(PICTURES * STEPS_BETWEEN, task.frame_stack))
    plain = np.asarray(rows.observations)[:: max(1, len(rows) // PICTURES)][:PICTURES]
    augment: Any = task.pretraining_augmenter(True, seed)
    stacks = [plain, augment(plain, plain)[0]]
    stacks += [_first_observations(task, kind, data.frame_shape[1], seed) for kind in task.tests]
    newest = [np.concatenate(np.moveaxis(stack[:, -3:], 1, -1), axis=1) for stack in stacks]
    return np.concatenate(newest)


def _first_observations(task: Task, kind: str, frame_size: int, seed: int) -> Array:
    envs = [task.make_env(kind, frame_size) for _ in range(PICTURES)]
    found = np.stack([env.reset(seed=seed + i)[0] for i, env in enumerate(envs)])
    for env in envs:
        env.close()
    return found
