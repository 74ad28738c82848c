"""SynthER's small-data experiment (Figure 4) at the size of two cores: what is compared, and on what data.

Rows are drawn at random, without replacement, from the whole replay of a SAC agent; each seed has its own draw, its own
generator and its own agent. All arms make the same number of gradient steps of the same batch size; half
of each batch is synthetic in all but ``real``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import gymnasium as gym
import numpy as np

from synth_replay import GeneratorConfig, TransitionGenerator, Transitions
from synth_replay.generator.config import CPU, PAPER

ROOT = Path(__file__).parent
DATA = ROOT.parent.parent / "data" / "study"
RUNS = ROOT / "runs"
GENERATORS = DATA / "generators"

# Reference returns of a random and an expert policy, for the usual 0 to 100 scale: D4RL's (its infos.py), and for
# Reacher, which D4RL lacks, a random policy's over 300 episodes and the best of the agent that collected the data
REFERENCE = {
    "HalfCheetah-v5": (-280.18, 12135.0),
    "Hopper-v5": (-20.27, 3234.3),
    "Reacher-v5": (-42.8, -3.71),
}
COLLECTED = {"HalfCheetah-v5": 150_000, "Hopper-v5": 150_000, "Reacher-v5": 20_000}
LEVELS = (500, 1_500, 5_000)
SEEDS = range(5)
ALGORITHMS = ("td3bc", "iql")
STEPS, BATCH = 8_000, 128
LAYERS, LARGER_LAYERS = (128, 128), (512, 512, 512)
LARGER_ENV, LARGER_ROWS = "HalfCheetah-v5", 500
STORE_ROWS = 20_000
EPISODES = 10

# Half the CPU preset's steps and batch, for such small datasets and so that 90 fits are possible
TRAINING = replace(CPU.training, steps=5_000, batch_size=256)
DEFAULT = replace(CPU, training=TRAINING, store_rows=STORE_ROWS)
# SynthER's encoding, noise levels and stochastic sampler; the network and the steps of the default, since the
# paper's own (1024 wide, 100K steps, 255 evaluations) would take hours for each of the 45 datasets
SYNTHER = replace(
    PAPER,
    network=CPU.network,
    training=replace(PAPER.training, steps=TRAINING.steps, batch_size=TRAINING.batch_size),
    sampler=replace(PAPER.sampler, steps=32),
    chunk_rows=CPU.chunk_rows,
    store_rows=STORE_ROWS,
)
CONFIGS: dict[str, GeneratorConfig] = {"synther": SYNTHER, "default": DEFAULT}
ARMS = ("real", "additive_noise", *CONFIGS)


@dataclass(frozen=True)
class Part:
    """One agent: an environment, a level, an arm, an algorithm, a seed."""

    env_id: str
    rows: int
    arm: str
    algorithm: str
    seed: int
    larger: bool = False

    @property
    def layers(self) -> tuple[int, ...]:
        """Hidden units of every network; SynthER's Table 3 compares with three layers of 512."""
        return LARGER_LAYERS if self.larger else LAYERS

    @property
    def path(self) -> Path:
        """Where its result goes."""
        larger = "-larger" if self.larger else ""
        return RUNS / f"{self.env_id}-{self.rows}-{self.arm}-{self.algorithm}-{self.seed}{larger}.json"

    @property
    def arguments(self) -> list[str]:
        """Of :mod:`benchmarks.offline.agent`."""
        larger = ["larger"] if self.larger else []
        return [self.env_id, str(self.rows), self.arm, self.algorithm, str(self.seed), *larger]

    @property
    def shares(self) -> tuple[str, int, str, int, bool]:
        """One generator serves both algorithms; larger networks come last."""
        return self.env_id, self.rows, self.arm, self.seed, self.larger


def parts() -> list[Part]:
    """All of them, the smallest level first, then seed by seed, so that an interrupted study is balanced."""
    order = product(LEVELS, SEEDS, REFERENCE, ARMS, ALGORITHMS)
    found = [Part(env_id, rows, arm, algorithm, seed) for rows, seed, env_id, arm, algorithm in order]
    return found + [Part(LARGER_ENV, LARGER_ROWS, arm, "td3bc", seed, True) for seed in SEEDS for arm in ARMS[::3]]


def replay_path(env_id: str) -> Path:
    """Where the replay of an environment is kept."""
    return DATA / f"{env_id}-replay.npz"


def how_to_collect(env_id: str) -> str:
    """The command that makes it, with a small SAC: up to 40 minutes on one core."""
    options = f"--steps {COLLECTED[env_id]} --width 128 --batch-size 128 --learning-rate 1e-3 --out data/study"
    return f"collect its replay with python examples/collect_dataset.py --env {env_id} {options}"


def data(env_id: str, rows: int, seed: int) -> Transitions:
    """The ``rows`` transitions of a seed; a larger level holds the smaller ones."""
    if not replay_path(env_id).exists():
        raise SystemExit(how_to_collect(env_id))
    replay = Transitions(**dict(np.load(replay_path(env_id))))
    found = replay[np.random.default_rng(seed).permutation(len(replay))[:rows]]
    return replace(found, truncations=None)


def generator(arm: str, env_id: str, rows: int, seed: int, configs: dict[str, GeneratorConfig] = CONFIGS) -> Path:
    """The folder of the arm's generator for one dataset, fitted when it is not there."""
    folder = GENERATORS / f"{env_id}-{rows}-{arm}-{seed}"
    if not (folder / "generator.json").exists():
        env = gym.make(env_id)
        made = TransitionGenerator(env.observation_space, env.action_space, configs[arm], seed, device="cpu")
        made.fit(data(env_id, rows, seed), checkpoint=folder / "training", progress=False)
        made.save(folder)
    return folder


def normalized(env_id: str, value: float) -> float:
    """A return on D4RL's scale: 0 is random, 100 an expert."""
    low, high = REFERENCE[env_id]
    return 100 * (value - low) / (high - low)
