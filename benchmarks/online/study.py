"""SAC at high update ratios: generated rows against, and together with, what an expert would use instead.

Runs of a task, a ratio and a seed differ in the arm alone; gradient steps, rows of a batch and actor updates are equal.
The actor is updated as often as the critics, as in Stable-Baselines3. With SynthER's delay its temperature would hardly
fall in so few steps: it starts at 1. The score of a run is the mean of its last three of ten evaluations, on a scale
from 0 (random) to 100.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent
RUNS = ROOT / "runs"
SEEDS = range(5)
STEPS, EVALUATIONS, SCORED = 10_000, 10, 3
BATCH, LAYERS = 256, [128, 128]
WARM_UP, REFRESH = 1_000, 2_000


@dataclass(frozen=True)
class Task:
    """An environment, the returns of a random and an expert policy in it, and the episodes of an evaluation.

    D4RL's returns (its infos.py); of the DeepMind Control Suite, the least and the largest possible ones.
    """

    env_id: str
    low: float
    high: float
    episodes: int

    def normalized(self, value: float) -> float:
        """Returns a return on the scale from 0 to 100."""
        return 100 * (value - self.low) / (self.high - self.low)


TASKS = {
    "cheetah": Task("HalfCheetah-v5", -280.18, 12135.0, 5),
    "hopper": Task("Hopper-v5", -20.27, 3234.3, 5),
    "cartpole": Task("dm_control/cartpole-swingup-v0", 0.0, 1000.0, 3),
    "reacher": Task("dm_control/reacher-hard-v0", 0.0, 1000.0, 10),
}


@dataclass(frozen=True)
class Arm:
    """What an arm changes of SAC with its own replay buffer.

    Attributes:
        layer_norm: Layer norm after each hidden layer of the critics.
        dropout: Probability of dropout in the critics.
        resets: Environment steps between two resets of all networks; 0 for none.
        buffer: Options of ``SyntheticReplayBuffer``, with the demo's generator unless named; None is SB3's own buffer.
    """

    layer_norm: bool = False
    dropout: float = 0.0
    resets: int = 0
    buffer: dict[str, Any] | None = field(default=None, hash=False)


SYNTHER, AUTO, PGR = {"real_ratio": 0.5}, {"real_ratio": "auto"}, {"real_ratio": 0.5, "relevance": "curiosity"}
ONE_STEP = {"real_ratio": 0.95, "generator": "one_step_model"}  # MAD-TD's share
NOISE = {"real_ratio": 0.5, "generator": "additive_noise"}
RESETS = 2_500
ARMS = {
    "stock": Arm(),
    "ln": Arm(layer_norm=True),
    "synther": Arm(buffer=SYNTHER),
    "ln+synther": Arm(layer_norm=True, buffer=SYNTHER),
    "auto": Arm(buffer=AUTO),
    "ln+auto": Arm(layer_norm=True, buffer=AUTO),
    "droq": Arm(layer_norm=True, dropout=0.01),
    "droq+synther": Arm(layer_norm=True, dropout=0.01, buffer=SYNTHER),
    "resets": Arm(resets=RESETS),
    "resets+synther": Arm(resets=RESETS, buffer=SYNTHER),
    "pgr": Arm(buffer=PGR),
    "ln+pgr": Arm(layer_norm=True, buffer=PGR),
    "one_step": Arm(buffer=ONE_STEP),
    "ln+one_step": Arm(layer_norm=True, buffer=ONE_STEP),
    "noise": Arm(buffer=NOISE),
    "ln+noise": Arm(layer_norm=True, buffer=NOISE),
}
CORE = ("stock", "ln", "synther", "ln+synther", "auto", "ln+auto")
LOW, HIGH = 1, 10


@dataclass(frozen=True)
class Run:
    """One run: a task of :data:`TASKS`, gradient steps for each environment step, an arm of :data:`ARMS`, a seed."""

    task: str
    ratio: int
    arm: str
    seed: int

    @property
    def path(self) -> Path:
        """Result file."""
        return RUNS / f"{self.task}-{self.ratio}-{self.arm}-{self.seed}.json"

    @property
    def arguments(self) -> list[str]:
        """Command-line arguments of :mod:`benchmarks.online.agent`."""
        return [self.task, str(self.ratio), self.arm, str(self.seed)]

    @property
    def group(self) -> Run:
        """Runs share nothing."""
        return self


def _runs(ratio: int, arms: Iterable[str], tasks: Iterable[str] = TASKS) -> list[Run]:
    return [Run(task, ratio, arm, seed) for seed, task, arm in product(SEEDS, tasks, arms)]


def runs() -> list[Run]:
    """Lists all runs: the heart of the study first, and each part seed by seed."""
    others = [arm for arm in ARMS if arm not in CORE]
    found = _runs(HIGH, CORE)
    found += _runs(LOW, CORE[:5], ("cheetah", "cartpole"))
    return found + _runs(HIGH, others, ("cheetah", "cartpole"))
