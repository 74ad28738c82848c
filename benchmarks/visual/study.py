"""The experiment of arXiv 2508.12356 (Tables 1 and 3, and its ablation of the latent size) at the size of two cores.

A task of dm_control with distractions that the data do not have, and a game of Procgen on unseen levels. The four arms
of a seed learn from the same data with equal numbers of updates; baseline and upsampled share the agent of pixels,
augmented and both share another.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

from synth_replay.generator.config import CPU
from synth_replay_visual import ARMS, VisualConfig

ROOT = Path(__file__).parent
DATA = ROOT.parents[1] / "data" / "pixels"
WORK = ROOT.parents[1] / "data" / "visual"
RUNS = ROOT / "runs"

SEEDS = range(3)
# Task: its dataset, the size of its features, the episodes of an evaluation
TASKS = {"cheetah-run": ("cheetah-run-expert", 50, 5), "coinrun": ("coinrun", 64, 50)}
# A policy of PPO that is sampled cannot be cloned by best actions: those of coinrun's score 0.5 in place of 7.9, and
# 7.7 with one random action in five
COLLECT = {
    "cheetah-run": "--quality expert --steps 20000",
    "coinrun": "--quality expert --train-steps 1000000 --epsilon 0.2 --steps 50000",
}
# With DrQ+BC's own rate nothing is learnt in so few updates; with ten times it, baseline and augmented arms need 1,500
# and 2,000
CHANGES: dict[str, dict[str, Any]] = {
    "cheetah-run": {"learning_rate": 1e-3, "pretrain_steps": 3_000},
    "coinrun": {"epsilon": 0.2},
}
# What more updates on pixels change: augmented frames take longer to learn from. Five seeds, for differences there are
# claimed
LONGER, UPDATES, LONGER_SEEDS = "cheetah-run", 10_000, range(5)
ABLATED, LATENT_SIZES = "coinrun", (32, 64, 128, 256)
SIZE = VisualConfig(
    pretrain_steps=1_500,
    finetune_steps=2_000,
    batch_size=32,
    hidden_units=(256,),
    generator=replace(CPU, training=replace(CPU.training, steps=3_000, batch_size=256), store_rows=20_000),
    rows=20_000,
    save_every=500,
)


@dataclass(frozen=True)
class Part:
    """One arm of one seed; ``updates`` on pixels, 0 for the task's own number."""

    task: str
    features: int
    arm: str
    seed: int
    updates: int = 0

    @property
    def path(self) -> Path:
        """Where its result goes."""
        return RUNS / f"{self.folder.name}-{self.arm}-{self.seed}.json"

    @property
    def arguments(self) -> list[str]:
        """Of :mod:`benchmarks.visual.agent`."""
        return [self.task, str(self.features), self.arm, str(self.seed), str(self.updates)]

    @property
    def shares(self) -> tuple[str, bool, int]:
        """Two arms use one agent of pixels."""
        return self.folder.name, ARMS[self.arm][0], self.seed

    @property
    def size(self) -> VisualConfig:
        """The sizes, with this part's features."""
        changes = CHANGES.get(self.task, {}) | ({"pretrain_steps": self.updates} if self.updates else {})
        return replace(SIZE, feature_size=self.features, episodes=TASKS[self.task][2], **changes)

    @property
    def folder(self) -> Path:
        """Agents, encoders, latents and generators."""
        return WORK / (f"{self.task}-{self.features}" + (f"-{self.updates}" if self.updates else ""))


def parts() -> list[Part]:
    """All of them, seed by seed, so that an interrupted study is balanced; ablation and longer runs come last."""
    found = [Part(task, TASKS[task][1], arm, seed) for seed, task, arm in product(SEEDS, TASKS, ARMS)]
    others = [size for size in LATENT_SIZES if size != TASKS[ABLATED][1]]
    found += [Part(ABLATED, size, "augmented_upsampled", seed) for seed, size in product(SEEDS, others)]
    return found + [Part(LONGER, TASKS[LONGER][1], arm, seed, UPDATES) for seed, arm in product(LONGER_SEEDS, ARMS)]


def data_path(task: str) -> Path:
    """Where the dataset of a task lies."""
    return DATA / TASKS[task][0]


def how_to_collect(task: str) -> str:
    """The command that makes it."""
    return (
        f"collect its data with python examples/collect_pixels.py --task {task} {COLLECT[task]} --out {data_path(task)}"
    )
