"""CFDG's comparison (Figures 2 and 3) at a size for two CPU cores: its arms and its data.

d3rlpy's IQL is pre-trained on the offline data and fine-tuned; SB3's SAC starts untrained with the offline data in its
batches. All arms of a seed start from the same policy and have the same number of environment steps, gradient steps and
rows in a batch.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.offline.study import REFERENCE
from synth_replay import Transitions
from synth_replay.generator import CPU

ROOT = Path(__file__).parent
DATA = ROOT.parents[1] / "data" / "offline_to_online"
RUNS = ROOT / "runs"
PRETRAINED = DATA / "pretrained"

ENVIRONMENTS = ("Hopper-v5", "Reacher-v5")
QUALITIES = ("medium-replay", "medium")
ALGORITHMS = ("iql", "sac")
SEEDS = range(5)
COLLECTED = {"Hopper-v5": 60_000, "Reacher-v5": 12_000}
OFFLINE_ROWS = 2_000
OFFLINE_STEPS, ONLINE_STEPS, EVERY, REFRESH = 3_000, 3_000, 500, 1_100
BATCH, LAYERS, SAC_UPDATES = 128, [128, 128], 2
EPISODES = {"Hopper-v5": 5, "Reacher-v5": 20}

# The CPU preset with half its width, a seventh of its steps and half its batch, because each run fits twice; the second
# fit continues from the first
CONFIG = replace(
    CPU,
    network=replace(CPU.network, width=128),
    training=replace(CPU.training, steps=1_500, batch_size=256, learning_rate=2e-3),
    relabel=replace(CPU.relabel, steps=1_000),
    store_rows=20_000,
)
# The buffer's options in each arm. In CFDG, six in ten rows of a batch are online or generated as online (1/3 + 0.8/3).
# All arms have that share, so that they differ in generated rows only and are equal until the first fit.
# "unconditional" has no labels: its generated rows have the mixture of the data. "cfg_online", an ablation of IQL,
# generates only online rows from the labelled model. The guidance weight w is 0 in CFDG.
ARMS: dict[str, dict[str, Any]] = {
    "none": {"generation": "none", "online_ratio": 0.6},
    "online": {"generation": "online", "online_ratio": 0.4},
    "unconditional": {"generation": "unconditional"},
    "cfg_online": {"generation": "conditional", "synthetic_online_ratio": 1.0, "online_ratio": 0.4},
    "cfg": {"generation": "conditional"},
}
ABLATION = "cfg_online"


@dataclass(frozen=True)
class Run:
    """One run of the study.

    Attributes:
        env_id: Gymnasium id of the environment.
        quality: Quality of the offline data, one of :data:`QUALITIES`.
        algorithm: Name of the algorithm, one of :data:`ALGORITHMS`.
        arm: Name of the arm, one of :data:`ARMS`.
        seed: Seed of the rows, the buffer and the agent.
    """

    env_id: str
    quality: str
    algorithm: str
    arm: str
    seed: int

    @property
    def path(self) -> Path:
        """Result file."""
        return RUNS / f"{self.env_id}-{self.quality}-{self.algorithm}-{self.arm}-{self.seed}.json"

    @property
    def arguments(self) -> list[str]:
        """Command-line arguments of :mod:`benchmarks.offline_to_online.agent`."""
        return [self.env_id, self.quality, self.algorithm, self.arm, str(self.seed)]

    @property
    def group(self) -> tuple[Any, ...]:
        """Group of runs that start from one pre-trained policy: all arms of IQL."""
        return (*self.arguments[:3], self.seed) if self.algorithm == "iql" else (self,)

    @property
    def pretrained(self) -> Path:
        """File of the policy from which all arms of a seed start."""
        return PRETRAINED / f"{self.env_id}-{self.quality}-{self.seed}.d3"


def runs() -> list[Run]:
    """Lists all runs seed by seed, so that an interrupted study is balanced."""
    order = product(SEEDS, ENVIRONMENTS, QUALITIES, ALGORITHMS, ARMS)
    found = [Run(env_id, quality, algorithm, arm, seed) for seed, env_id, quality, algorithm, arm in order]
    return [run for run in found if run.arm in arms_of(run.algorithm)]


def arms_of(algorithm: str) -> list[str]:
    """Lists the arms of an algorithm; only IQL has the ablation."""
    return [arm for arm in ARMS if arm != ABLATION or algorithm == "iql"]


def dataset_path(env_id: str, quality: str) -> Path:
    """Returns the file of the offline data."""
    return DATA / f"{env_id}-{quality}.npz"


def how_to_collect(env_id: str) -> str:
    """Words the command that collects the data with a small SAC, in 5 to 15 minutes on one core."""
    options = f"--env {env_id} --steps {COLLECTED[env_id]} --kinds {' '.join(QUALITIES)}"
    options += " --width 128 --batch-size 128 --learning-rate 1e-3 --out data/offline_to_online"
    return f"collect its data with python examples/collect_dataset.py {options}"


def offline_data(run: Run) -> Transitions:
    """Loads the offline rows of a seed."""
    rows = Transitions(**dict(np.load(dataset_path(run.env_id, run.quality))))
    chosen = np.random.default_rng(run.seed).permutation(len(rows))[:OFFLINE_ROWS]
    return replace(rows[chosen], truncations=None)


def normalized(env_id: str, value: float) -> float:
    """Normalises a return to D4RL's scale: 0 is random, 100 an expert."""
    low, high = REFERENCE[env_id]
    return 100 * (value - low) / (high - low)
