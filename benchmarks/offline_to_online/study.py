"""CFDG's comparison (Figures 2 and 3) at the size of two cores: what is compared, and on what data.

d3rlpy's IQL is pre-trained on the offline data and fine-tuned; SB3's SAC starts fresh with the offline data in its
batches. All arms of a seed begin with the same policy, take the same environment steps and make the same number of
gradient steps of the same batch size.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.offline.study import REFERENCE
from synth_replay import Transitions
from synth_replay.generator.config import CPU

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

# The CPU preset with half its width, a seventh of its steps and half its batch: each run fits twice, the second time on
# from the first
CONFIG = replace(
    CPU,
    network=replace(CPU.network, width=128),
    training=replace(CPU.training, steps=1_500, batch_size=256, learning_rate=2e-3),
    relabel=replace(CPU.relabel, steps=1_000),
    store_rows=20_000,
)
# What each arm changes in the buffer. Six in ten rows of a batch are online ones or generated like them in CFDG (1/3 +
# 0.8/3). Where the buffer's own shares differ from that, they are set: arms differ in generated rows alone, and are
# equal until the first fit. "unconditional" cannot tell the kinds apart: its generated rows are as mixed as the data.
# "cfg_online", an ablation of IQL, generates online rows alone from the labelled model. w is 0 in CFDG.
ARMS: dict[str, dict[str, Any]] = {
    "none": {"generation": "none", "online_ratio": 0.6},
    "online": {"generation": "online", "online_ratio": 0.4},
    "unconditional": {"generation": "unconditional"},
    "cfg_online": {"generation": "cfg", "synthetic_online_ratio": 1.0, "online_ratio": 0.4},
    "cfg": {"generation": "cfg"},
}
ABLATION = "cfg_online"


@dataclass(frozen=True)
class Part:
    """One run: environment, quality of the offline data, algorithm, arm, seed."""

    env_id: str
    quality: str
    algorithm: str
    arm: str
    seed: int

    @property
    def path(self) -> Path:
        """Where its result goes."""
        return RUNS / f"{self.env_id}-{self.quality}-{self.algorithm}-{self.arm}-{self.seed}.json"

    @property
    def arguments(self) -> list[str]:
        """Of :mod:`benchmarks.offline_to_online.agent`."""
        return [self.env_id, self.quality, self.algorithm, self.arm, str(self.seed)]

    @property
    def shares(self) -> tuple[Any, ...]:
        """All arms of IQL begin with one pre-trained policy."""
        return (*self.arguments[:3], self.seed) if self.algorithm == "iql" else (self,)

    @property
    def pretrained(self) -> Path:
        """The policy that all arms of a seed begin with."""
        return PRETRAINED / f"{self.env_id}-{self.quality}-{self.seed}.d3"


def parts() -> list[Part]:
    """All of them, seed by seed, so that an interrupted study is balanced."""
    order = product(SEEDS, ENVIRONMENTS, QUALITIES, ALGORITHMS, ARMS)
    found = [Part(env_id, quality, algorithm, arm, seed) for seed, env_id, quality, algorithm, arm in order]
    return [part for part in found if part.arm in arms_of(part.algorithm)]


def arms_of(algorithm: str) -> list[str]:
    """The ablation is IQL's alone."""
    return [arm for arm in ARMS if arm != ABLATION or algorithm == "iql"]


def dataset_path(env_id: str, quality: str) -> Path:
    """Where the offline data are kept."""
    return DATA / f"{env_id}-{quality}.npz"


def how_to_collect(env_id: str) -> str:
    """The command that makes them, with a small SAC: 5 to 15 minutes on one core."""
    options = f"--env {env_id} --steps {COLLECTED[env_id]} --kinds {' '.join(QUALITIES)}"
    options += " --width 128 --batch-size 128 --learning-rate 1e-3 --out data/offline_to_online"
    return f"collect its data with python examples/collect_dataset.py {options}"


def offline_data(part: Part) -> Transitions:
    """The seed's draw of the offline rows."""
    rows = Transitions(**dict(np.load(dataset_path(part.env_id, part.quality))))
    chosen = np.random.default_rng(part.seed).permutation(len(rows))[:OFFLINE_ROWS]
    return replace(rows[chosen], truncations=None)


def normalized(env_id: str, value: float) -> float:
    """A return on D4RL's scale: 0 is random, 100 an expert."""
    low, high = REFERENCE[env_id]
    return 100 * (value - low) / (high - low)
