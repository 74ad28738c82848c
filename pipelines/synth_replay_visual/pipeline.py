"""The method of arXiv 2508.12356, step by step, in four arms on the same data with equal numbers of updates.

Every step keeps its result on disk, so a stopped run resumes where it was.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from synth_replay import TransitionSpec
from synth_replay.datasets import PixelDataset, open_pixels
from synth_replay_visual.agents import save_agent
from synth_replay_visual.branch import Branch
from synth_replay_visual.config import ARMS, VisualConfig
from synth_replay_visual.encoding import encode_dataset
from synth_replay_visual.evaluation import evaluate_agent
from synth_replay_visual.finetuning import finetune
from synth_replay_visual.generation import fit_generator, score_generator
from synth_replay_visual.preparation import check_environments, claim_folder, sample_episodes
from synth_replay_visual.pretraining import freeze_encoder, pretrain
from synth_replay_visual.results import ArmResult
from synth_replay_visual.tasks import Task

logger = logging.getLogger(__name__)


def run_pipeline(
    task: Task,
    data: str | Path | PixelDataset,
    config: VisualConfig,
    out: str | Path,
    *,
    seeds: Iterable[int] = (0,),
    arms: Iterable[str] = tuple(ARMS),
) -> list[ArmResult]:
    """Runs all arms of all seeds; a second call resumes a stopped run.

    Args:
        task: Task of the agents (:func:`make_task`).
        data: Pixel dataset, or its path.
        config: Sizes of the pipeline.
        out: Folder of all results.
        seeds: Seeds to run.
        arms: Names of the arms to run.

    Returns:
        Results of :func:`run_arm`, seed by seed.

    Raises:
        DatasetError: If there is no such dataset.
        CheckpointError: If the folder holds results of another task, dataset or size.
    """
    dataset = data if isinstance(data, PixelDataset) else open_pixels(data)
    chosen = list(arms)
    return [run_arm(task, dataset, config, arm, seed, Path(out)) for seed in seeds for arm in chosen]


def run_arm(task: Task, data: PixelDataset, config: VisualConfig, arm: str, seed: int, out: Path) -> ArmResult:
    """Runs one arm of one seed; a result that is on disk is returned.

    Args:
        task: Task of the agent (:func:`make_task`).
        data: Pixel dataset.
        config: Sizes of the pipeline. A change of ``episodes`` or ``epsilon`` repeats fine-tuning and evaluation; any
            other change needs another folder.
        arm: Name of the arm, a key of :data:`ARMS`.
        seed: Seed of everything random.
        out: Folder of all results. The fine-tuned agent is in ``seed-{seed}/{arm}.d3``.

    Raises:
        CheckpointError: If the folder holds results of another task, dataset, size or version.
        ConfigError: If the task has no such latent, or the simulator cannot draw such frames.
        MissingExtraError: If a simulator, or a library that it draws with, is missing.
        SpecMismatchError: If the data belong to another task.
    """
    claim_folder(out, task, data, config)
    branch = Branch(task, config, ARMS[arm].augmented, seed, out)
    path = branch.result_path(arm)
    if path.exists() and (found := ArmResult.load(path)).evaluation.settings == config.evaluation:
        return found
    check_environments(task, data)
    result = _run_steps(branch, data, arm)
    result.save(path)
    return result


def _run_steps(branch: Branch, data: PixelDataset, arm: str) -> ArmResult:
    """Runs the five steps of the method."""
    log = partial(logger.info, "%s, seed %d: %s", arm, branch.seed)
    log("learning from pixels")
    episodes = sample_episodes(data, branch.config.rows, branch.seed)
    agent = pretrain(branch, episodes)
    encoder = freeze_encoder(branch, agent)
    log("encoding")
    latents = encode_dataset(branch, episodes, encoder)
    spec = TransitionSpec(encoder.space, data.action_space)
    generator, fidelity = None, None
    if ARMS[arm].upsampled:
        log("fitting the generator")
        generator = fit_generator(branch, latents, spec)
        fidelity = score_generator(branch, latents)
    log("fine-tuning and evaluating")
    tuned = finetune(branch, agent, latents, spec, generator)
    save_agent(tuned.agent, branch.agent_path(arm))
    evaluation = evaluate_agent(branch, tuned.agent, encoder, data.frame_shape[1])
    return ArmResult(
        task=branch.task.name,
        arm=arm,
        seed=branch.seed,
        rows=len(latents),
        encoder=encoder.hash,
        fidelity=fidelity,
        updates=tuned.updates,
        real_share=tuned.real_share,
        evaluation=evaluation,
    )
