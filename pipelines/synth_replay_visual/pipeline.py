"""The four arms from the same data with equal numbers of updates, resumable, ending in tables and pictures."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from synth_replay import TransitionSpec
from synth_replay.checkpoint import write_whole
from synth_replay.datasets import PixelDataset, open_pixels
from synth_replay.evaluation.divergence import latent_divergence
from synth_replay.runtime import show_progress
from synth_replay_visual import stages
from synth_replay_visual.config import ARMS, VisualConfig
from synth_replay_visual.evaluation import play
from synth_replay_visual.tasks import Task

TEST_SEED = 10_000  # far from the seeds of training; times 1, 2, ... so that seeds of a study share no episode
DIVERGENCE_ROWS = 500
logger = logging.getLogger(__name__)


def run_arm(task: Task, data: PixelDataset, size: VisualConfig, arm: str, seed: int, out: Path) -> dict[str, Any]:
    """One arm of one seed; what is on disk already is not made again.

    Args:
        task: See :func:`make_task`.
        data: The pixel dataset.
        size: The sizes. With other ``episodes`` or another ``epsilon`` an arm is fine-tuned and evaluated again; all
            else belongs to the folder.
        arm: A key of :data:`ARMS`.
        seed: Of everything random.
        out: Folder of all results.

    Raises:
        CheckpointError: If the folder is of another task, dataset or size.
        ConfigError: If the task has no such latent, or the simulator cannot draw such frames.
        MissingExtraError: If a simulator, or a library that it draws with, is missing.
        SpecMismatchError: If the data are of another task.

    Returns:
        Returns of each kind of environment, the divergence of training and test latents, the generator's fidelity, the
        number of updates in all and the share of real rows in the last batch. ``{arm}.d3`` is the agent.
    """
    augmented, upsampled = ARMS[arm]
    stages.claim(out, task, data, size)
    path = out / f"seed-{seed}" / f"{arm}.json"
    if path.exists() and (found := json.loads(path.read_text())).get("evaluation") == size.evaluation:
        return dict(found)
    stages.check(task, data)
    folder = path.parent / ("augmented" if augmented else "plain")
    chosen = stages.chosen_episodes(data, size.rows, seed)
    logger.info("%s, seed %d: learning from pixels", arm, seed)
    agent = stages.pretrained(task, chosen, size, augmented, seed, folder)
    encoder = stages.frozen(agent, size, folder)
    logger.info("%s, seed %d: encoding", arm, seed)
    rows = stages.latents(task, chosen, encoder, augmented, seed, folder)
    spec = TransitionSpec(encoder.space, data.action_space)
    result: dict[str, Any] = {"task": task.name, "arm": arm, "seed": seed, "rows": len(rows), "encoder": encoder.hash}
    result["evaluation"] = size.evaluation
    source = None
    if upsampled:
        logger.info("%s, seed %d: fitting the generator", arm, seed)
        source = stages.generator(rows, spec, size, seed, folder)
        result |= stages.judged(rows, source, seed, folder)
    logger.info("%s, seed %d: fine-tuning and evaluating", arm, seed)
    actor, learnt = stages.finetuned(agent, rows, spec, source, size, seed, folder)
    stages.keep(actor, path.with_suffix(".d3"))
    result |= learnt
    result |= _scores(task, actor, encoder, data.frame_shape[1], size, seed)
    write_whole(path, json.dumps(result, indent=1).encode())
    return result


def _scores(task: Task, actor: Any, encoder: Any, frame: int, size: VisualConfig, seed: int) -> dict[str, Any]:
    """All arms of a seed are tested alike; another seed has other distractions and levels."""
    returns, seen = {}, {}
    kinds = (task.train, *task.tests)
    for kind in tqdm(kinds, "Evaluating", unit="environment", disable=not show_progress(None)):
        make, first = partial(task.make_env, kind, frame), TEST_SEED * (seed + 1)
        returns[kind], seen[kind] = play(actor, make, size.episodes, first, size.epsilon)
    # the divergence depends a little on the number of rows, and episodes differ in length
    rows = min(DIVERGENCE_ROWS, *map(len, seen.values()))
    rng = np.random.default_rng(seed)
    latents = {kind: encoder.encode(o[rng.permutation(len(o))[:rows]]) for kind, o in seen.items()}
    found = {kind: latent_divergence(latents[task.train], latents[kind]) for kind in task.tests}
    divergence = {kind: [float(x) for x in d.per_dimension] for kind, d in found.items()}
    return {"returns": returns, "divergence": divergence}


def run_pipeline(
    task: Task,
    data: str | Path | PixelDataset,
    size: VisualConfig,
    out: str | Path,
    *,
    seeds: Iterable[int] = (0,),
    arms: Iterable[str] = tuple(ARMS),
) -> list[dict[str, Any]]:
    """All arms of all seeds; call it again after a stop, and it goes on.

    Args:
        task: See :func:`make_task`.
        data: A pixel dataset, or its path.
        size: The sizes.
        out: Folder of all results.
        seeds: Seeds to run.
        arms: Arms to run.

    Returns:
        The results of :func:`run_arm`.

    Raises:
        DatasetError: If there is no such dataset.
        CheckpointError: If the folder holds latents of another encoder or dataset.
    """
    dataset = data if isinstance(data, PixelDataset) else open_pixels(data)
    chosen = list(arms)
    return [run_arm(task, dataset, size, arm, seed, Path(out)) for seed in seeds for arm in chosen]
