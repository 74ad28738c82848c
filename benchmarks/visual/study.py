"""The experiment of arXiv 2508.12356 (Tables 1 and 3, and its ablation of the latent size) at the size of two cores.

The tasks are one of dm_control, tested under distractions that the data do not have, and a game of Procgen, tested on
unseen levels. The four arms of a seed learn from the same data with equal numbers of updates. Baseline and upsampled
share the agent on pixels; augmented and both share another.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

from synth_replay.generator import CPU
from synth_replay_visual import ARMS, ArmResult, VisualConfig

ROOT = Path(__file__).parent
DATA = ROOT.parents[1] / "data" / "pixels"
WORK = ROOT.parents[1] / "data" / "visual"
RUNS = ROOT / "runs"

SEEDS = range(3)


@dataclass(frozen=True)
class TaskSettings:
    """Settings of a task in this study.

    Attributes:
        dataset: Name of the dataset's folder.
        feature_size: Dimensions of each feature of the encoder.
        episodes: Number of episodes of an evaluation.
        collect: Options of ``examples/collect_pixels.py`` that make the dataset.
        changes: Settings that differ from :data:`CONFIG`.
    """

    dataset: str
    feature_size: int
    episodes: int
    collect: str
    changes: dict[str, Any]


TASKS = {
    # 1,500 updates with DrQ+BC's own learning rate learn nothing. With ten times that rate, the baseline needs 1,500
    # and the augmented arms need 2,000.
    "cheetah-run": TaskSettings(
        "cheetah-run-expert",
        feature_size=50,
        episodes=5,
        collect="--quality expert --steps 20000",
        changes={"learning_rate": 1e-3, "pretrain_steps": 3_000},
    ),
    # The best actions alone cannot clone a PPO policy that samples its actions: on coinrun they score 0.5 instead of
    # 7.9, and 7.7 with one random action in five.
    "coinrun": TaskSettings(
        "coinrun",
        feature_size=64,
        episodes=50,
        collect="--quality expert --train-steps 1000000 --epsilon 0.2 --steps 50000",
        changes={"epsilon": 0.2},
    ),
}
# The effect of more updates on pixels, since augmented frames take longer to learn from. A claim about differences
# needs five seeds.
LONGER, UPDATES, LONGER_SEEDS = "cheetah-run", 10_000, range(5)
ABLATED, LATENT_SIZES = "coinrun", (32, 64, 128, 256)
CONFIG = VisualConfig(
    pretrain_steps=1_500,
    finetune_steps=2_000,
    batch_size=32,
    hidden_units=(256,),
    generator=replace(CPU, training=replace(CPU.training, steps=3_000, batch_size=256), store_rows=20_000),
    rows=20_000,
    save_every=500,
)


@dataclass(frozen=True)
class Run:
    """One arm of one seed.

    Attributes:
        task: Name of the task, one of :data:`TASKS`.
        features: Dimensions of each feature.
        arm: Name of the arm, one of :data:`ARMS`.
        seed: Seed of everything random.
        updates: Number of updates on pixels; 0 for the task's own.
    """

    task: str
    features: int
    arm: str
    seed: int
    updates: int = 0

    @property
    def path(self) -> Path:
        """Result file."""
        return RUNS / f"{self.folder.name}-{self.arm}-{self.seed}.json"

    @property
    def arguments(self) -> list[str]:
        """Command-line arguments of :mod:`benchmarks.visual.agent`."""
        return [self.task, str(self.features), self.arm, str(self.seed), str(self.updates)]

    @property
    def group(self) -> tuple[str, bool, int]:
        """Group of runs that share an agent on pixels."""
        return self.folder.name, ARMS[self.arm].augmented, self.seed

    @property
    def config(self) -> VisualConfig:
        """Sizes of the pipeline, with the settings of this run."""
        settings = TASKS[self.task]
        changes = settings.changes | ({"pretrain_steps": self.updates} if self.updates else {})
        return replace(CONFIG, feature_size=self.features, episodes=settings.episodes, **changes)

    @property
    def folder(self) -> Path:
        """Folder of agents, encoders, latents and generators."""
        return WORK / (f"{self.task}-{self.features}" + (f"-{self.updates}" if self.updates else ""))


def run_of(task: str, arm: str = "baseline", seed: int = 0, updates: int = 0) -> Run:
    """Returns a run with the task's own feature size."""
    return Run(task, TASKS[task].feature_size, arm, seed, updates)


def runs() -> list[Run]:
    """Lists all runs seed by seed, so that an interrupted study is balanced; ablation and longer runs come last."""
    found = [run_of(task, arm, seed) for seed, task, arm in product(SEEDS, TASKS, ARMS)]
    others = [size for size in LATENT_SIZES if size != TASKS[ABLATED].feature_size]
    found += [Run(ABLATED, size, "augmented_upsampled", seed) for seed, size in product(SEEDS, others)]
    return found + [run_of(LONGER, arm, seed, UPDATES) for seed, arm in product(LONGER_SEEDS, ARMS)]


@dataclass(frozen=True)
class RunResult:
    """Result of a run.

    Attributes:
        result: Result of the arm.
        features: Dimensions of each feature.
        seconds: Duration of the run.
    """

    result: ArmResult
    features: int
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Returns the result in JSON types."""
        return self.result.to_dict() | {"features": self.features, "seconds": self.seconds}

    @classmethod
    def load(cls, path: Path) -> RunResult:
        """Reads the result file of a run."""
        found = json.loads(path.read_text())
        return cls(ArmResult.from_dict(found), found["features"], found["seconds"])


def data_path(task: str) -> Path:
    """Returns the folder of a task's dataset."""
    return DATA / TASKS[task].dataset


def how_to_collect(task: str) -> str:
    """Returns the command that makes a task's dataset."""
    script = f"python examples/collect_pixels.py --task {task} {TASKS[task].collect}"
    return f"collect its data with {script} --out {data_path(task)}"
