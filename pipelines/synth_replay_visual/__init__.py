"""Zero-shot visual generalization (arXiv 2508.12356); ``python -m synth_replay_visual --help``.

:func:`run_pipeline` is the whole experiment. :mod:`synth_replay_visual.pipeline` shows the method step by step; every
step has a module of its own.
"""

from synth_replay_visual.branch import Branch
from synth_replay_visual.config import ARMS, SIZES, Arm, VisualConfig
from synth_replay_visual.encoding import encode_dataset, split_holdout
from synth_replay_visual.evaluation import Actor, PlayedEpisodes, evaluate_agent, play_environments, play_episodes
from synth_replay_visual.finetuning import FineTuned, finetune
from synth_replay_visual.generation import fit_generator, score_generator
from synth_replay_visual.pipeline import run_arm, run_pipeline
from synth_replay_visual.preparation import check_environments, claim_folder, sample_episodes
from synth_replay_visual.pretraining import freeze_encoder, pretrain
from synth_replay_visual.results import ArmResult, Evaluation, EvaluationSettings, LatentFidelity
from synth_replay_visual.summary import ARM_LABELS, divergences_by_arm, results_table, returns_by_arm, write_summary
from synth_replay_visual.tasks import DmcTask, ProcgenTask, Task, make_task

__all__ = [
    "ARMS",
    "ARM_LABELS",
    "SIZES",
    "Actor",
    "Arm",
    "ArmResult",
    "Branch",
    "DmcTask",
    "Evaluation",
    "EvaluationSettings",
    "FineTuned",
    "LatentFidelity",
    "PlayedEpisodes",
    "ProcgenTask",
    "Task",
    "VisualConfig",
    "check_environments",
    "claim_folder",
    "divergences_by_arm",
    "encode_dataset",
    "evaluate_agent",
    "finetune",
    "fit_generator",
    "freeze_encoder",
    "make_task",
    "play_environments",
    "play_episodes",
    "pretrain",
    "results_table",
    "returns_by_arm",
    "run_arm",
    "run_pipeline",
    "sample_episodes",
    "score_generator",
    "split_holdout",
    "write_summary",
]
