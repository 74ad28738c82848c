"""Zero-shot visual generalization (arXiv 2508.12356); ``python -m synth_replay_visual --help``."""

from synth_replay_visual.config import ARMS, SIZES, VisualConfig
from synth_replay_visual.pipeline import run_arm, run_pipeline
from synth_replay_visual.tasks import DmcTask, ProcgenTask, Task, make_task

__all__ = [
    "ARMS",
    "SIZES",
    "DmcTask",
    "ProcgenTask",
    "Task",
    "VisualConfig",
    "make_task",
    "run_arm",
    "run_pipeline",
]
