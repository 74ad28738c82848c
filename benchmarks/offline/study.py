"""SynthER's small-data experiment (Figure 4) at a size for two CPU cores: its arms and its data.

Rows are drawn at random, without replacement, from the whole replay of a SAC agent; each seed has its own rows, its own
generator and its own agent. All arms make the same number of gradient steps with the same batch size; half of each
batch is synthetic in all arms except ``real``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import gymnasium as gym
import numpy as np

from synth_replay import GeneratorConfig, TransitionGenerator, Transitions
from synth_replay.generator import CPU, PAPER

ROOT = Path(__file__).parent
DATA = ROOT.parent.parent / "data" / "study"
RUNS = ROOT / "runs"
GENERATORS = DATA / "generators"

ENVIRONMENTS = ("HalfCheetah-v5", "Hopper-v5", "Reacher-v5")
# Returns of a random and an expert policy, for the usual 0 to 100 scale. They are D4RL's (its infos.py) except for
# Reacher and Acrobot, which D4RL lacks: there, a random policy (Reacher: 300 episodes; on Acrobot none of its episodes
# reaches the goal), and the best of the agent that made the data
REFERENCE = {
    "HalfCheetah-v5": (-280.18, 12135.0),
    "Hopper-v5": (-20.27, 3234.3),
    "Reacher-v5": (-42.8, -3.71),
    "Walker2d-v5": (1.63, 4592.3),
    "Acrobot-v1": (-500.0, -80.0),
}
COLLECTED = {
    "HalfCheetah-v5": 150_000,
    "Hopper-v5": 150_000,
    "Reacher-v5": 20_000,
    "Walker2d-v5": 150_000,
    "Acrobot-v1": 50_000,
}
LEVELS = (500, 1_500, 5_000)
SEEDS = range(5)
ALGORITHMS = ("td3bc", "iql")
STEPS, BATCH = 8_000, 128
LAYERS, LARGER_LAYERS = (128, 128), (512, 512, 512)
LARGER_ENV, LARGER_ROWS = "HalfCheetah-v5", 500
STORE_ROWS = 20_000
EPISODES = 10

# Half of the CPU preset's steps and batch suit such small datasets and make 90 fits affordable
TRAINING = replace(CPU.training, steps=5_000, batch_size=256)
DEFAULT = replace(CPU, training=TRAINING, store_rows=STORE_ROWS)
# SynthER's encoding, noise levels and stochastic sampler with the default's network and steps, because the paper's own
# (1024 wide, 100K steps, 255 evaluations) would take hours for each of the 45 datasets
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
class Run:
    """One run of the study: an agent in one environment, of one level, arm, algorithm and seed.

    Attributes:
        env_id: Gymnasium id of the environment.
        rows: Number of real rows.
        arm: Name of the arm, one of :data:`ARMS`.
        algorithm: Name of the algorithm, one of :data:`ALGORITHMS`.
        seed: Seed of rows, generator and agent.
        larger: Whether the agent has SynthER's larger networks.
    """

    env_id: str
    rows: int
    arm: str
    algorithm: str
    seed: int
    larger: bool = False

    @property
    def layers(self) -> tuple[int, ...]:
        """Hidden units of every network; the larger ones are those of SynthER's Table 3."""
        return LARGER_LAYERS if self.larger else LAYERS

    @property
    def path(self) -> Path:
        """Result file."""
        larger = "-larger" if self.larger else ""
        return RUNS / f"{self.env_id}-{self.rows}-{self.arm}-{self.algorithm}-{self.seed}{larger}.json"

    @property
    def arguments(self) -> list[str]:
        """Command-line arguments of :mod:`benchmarks.offline.agent`."""
        larger = ["larger"] if self.larger else []
        return [self.env_id, str(self.rows), self.arm, self.algorithm, str(self.seed), *larger]

    @property
    def group(self) -> tuple[str, int, str, int, bool]:
        """Group of runs that share a generator, which serves both algorithms."""
        return self.env_id, self.rows, self.arm, self.seed, self.larger


def runs() -> list[Run]:
    """Lists all runs by level, smallest first, then by seed, so that an interrupted study is balanced."""
    order = product(LEVELS, SEEDS, ENVIRONMENTS, ARMS, ALGORITHMS)
    found = [Run(env_id, rows, arm, algorithm, seed) for rows, seed, env_id, arm, algorithm in order]
    return found + [Run(LARGER_ENV, LARGER_ROWS, arm, "td3bc", seed, True) for seed in SEEDS for arm in ARMS[::3]]


def replay_path(env_id: str) -> Path:
    """Returns the file of an environment's replay."""
    return DATA / f"{env_id}-replay.npz"


def how_to_collect(env_id: str) -> str:
    """Words the command that collects a replay with a small SAC (DQN on Acrobot), in up to 40 minutes on one core."""
    options = "--algo DQN " if env_id == "Acrobot-v1" else ""
    options += f"--steps {COLLECTED[env_id]} --width 128 --batch-size 128 --learning-rate 1e-3 --out data/study"
    return f"collect its replay with python examples/collect_dataset.py --env {env_id} {options}"


def data(env_id: str, rows: int, seed: int) -> Transitions:
    """Loads the ``rows`` transitions of a seed; a larger level contains the smaller ones."""
    if not replay_path(env_id).exists():
        raise SystemExit(how_to_collect(env_id))
    replay = Transitions(**dict(np.load(replay_path(env_id))))
    found = replay[np.random.default_rng(seed).permutation(len(replay))[:rows]]
    return replace(found, truncations=None)


def generator(arm: str, env_id: str, rows: int, seed: int, configs: dict[str, GeneratorConfig] = CONFIGS) -> Path:
    """Returns the folder of the arm's generator for one dataset; a missing generator is fitted first."""
    folder = GENERATORS / f"{env_id}-{rows}-{arm}-{seed}"
    if not (folder / "generator.json").exists():
        env = gym.make(env_id)
        made = TransitionGenerator(env.observation_space, env.action_space, configs[arm], seed, device="cpu")
        made.fit(data(env_id, rows, seed), checkpoint=folder / "training", progress=False)
        made.save(folder)
    return folder


def normalized(env_id: str, value: float) -> float:
    """Normalises a return to D4RL's scale: 0 is random, 100 an expert."""
    low, high = REFERENCE[env_id]
    return 100 * (value - low) / (high - low)
