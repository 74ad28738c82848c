"""What the arms came to: the paper's tables, the divergence maps, a picture of observations."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from synth_replay.checkpoint import write_whole
from synth_replay.datasets import PixelDataset
from synth_replay.evaluation.divergence import Divergence
from synth_replay.evaluation.generalization import Returns
from synth_replay.evaluation.generalization_table import GeneralizationTable, generalization_table
from synth_replay.report.visual import divergence_map, normalized_map, save_png
from synth_replay.spaces import Array
from synth_replay_visual import stages
from synth_replay_visual.config import ARMS
from synth_replay_visual.tasks import Task

NAMES = {"baseline": "Baseline", "upsampled": "Upsampled", "augmented": "Augmented", "augmented_upsampled": "Both"}
PICTURES = 8  # observations in a row
COLUMNS = {"original": "Original", "train": "Train", "easy": "Easy", "medium": "Medium", "hard": "Hard", "test": "Test"}

Results = Sequence[dict[str, Any]]


def returns_of(task: Task, results: Results) -> dict[str, Returns]:
    """Mean returns ``[seeds]`` and ``[seeds, levels]`` of every arm that has results."""
    found = {}
    for arm in ARMS:
        mine = [r["returns"] for r in results if r["arm"] == arm]
        if mine:
            train = np.array([np.mean(r[task.train]) for r in mine])
            test = np.array([[np.mean(r[kind]) for kind in task.tests] for r in mine])
            found[NAMES[arm]] = Returns(train, test)
    return found


def divergences_of(results: Results) -> dict[str, Divergence]:
    """Of every arm, the mean over seeds and kinds of test.

    Dimensions are ordered by size first, since those of two encoders have nothing to do with each other.
    """
    found = {}
    for arm in ARMS:
        mine = [d for r in results if r["arm"] == arm for d in r["divergence"].values()]
        if mine:
            found[NAMES[arm]] = Divergence(-np.sort(-np.array(mine), axis=1).mean(0))
    return found


def table_of(task: Task, results: Results) -> GeneralizationTable:
    """The paper's Table 1 or 3 for one task."""
    levels = [COLUMNS[kind] for kind in task.tests]
    return generalization_table({task.name: returns_of(task, results)}, train=COLUMNS[task.train], levels=levels)


def observations(task: Task, data: PixelDataset, seed: int = 0) -> Array:
    """A picture ``[H, W, 3]``: a row of the data, of augmented data, and of each kind of test environment."""
    chosen = stages.chosen_episodes(data, PICTURES * 60, seed)
    rows = next(chosen.transitions(PICTURES * 60, task.frame_stack))
    plain = np.asarray(rows.observations)[:: max(1, len(rows) // PICTURES)][:PICTURES]
    augment: Any = task.augmenter(True, seed)
    lines = [plain, augment(plain, plain)[0]]
    for kind in task.tests:
        envs = [task.make_env(kind, data.frame_shape[1]) for _ in range(PICTURES)]
        lines.append(np.stack([env.reset(seed=seed + i)[0] for i, env in enumerate(envs)]))
        for env in envs:
            env.close()
    newest = [np.concatenate(np.moveaxis(line[:, -3:], 1, -1), axis=1) for line in lines]
    return np.concatenate(newest)


def write_summary(task: Task, data: PixelDataset, results: Results, out: Path) -> list[Path]:
    """Writes ``results.json``, ``table.md`` and three pictures.

    Args:
        task: The task.
        data: Its dataset.
        results: Of :func:`run_pipeline`.
        out: Folder.

    Returns:
        The files.
    """
    from matplotlib.image import imsave

    table, divergences = table_of(task, results), divergences_of(results)
    payload: Mapping[str, Any] = {"task": task.name, "table": table.to_dict(), "results": list(results)}
    write_whole(out / "results.json", json.dumps(payload, indent=1).encode())
    write_whole(out / "table.md", table.markdown().encode())
    save_png(divergence_map(divergences, title=task.name), out / "divergence.png")
    save_png(normalized_map({task.name: divergences}), out / "divergence_mean.png")
    imsave(out / "observations.png", observations(task, data))
    return [out / n for n in ("results.json", "table.md", "divergence.png", "divergence_mean.png", "observations.png")]
