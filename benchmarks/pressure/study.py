"""The law of draws per row: the runs of a study of when generated rows pay, at a size for two CPU cores.

A run trains one agent of d3rlpy on random rows of the replay of a SAC agent, and evaluates it along its training. Runs
of a cell differ in the share of generated rows alone: rows, agent's seed, batch size and number of updates are equal.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Literal

from benchmarks.offline.study import ENVIRONMENTS

ROOT = Path(__file__).parent
RUNS = ROOT / "runs"

Algorithm = Literal["td3bc", "iql"]
SEEDS = range(5)
BATCH, WIDTH = 256, 128
SHARES = (0.0, 0.25, 0.5, 0.75)
PAIR = (0.0, 0.5)
DRAWS = (64, 128, 256, 512, 1024, 2048, 4096)  # draws per row at which an agent is evaluated
EVERY = 50  # all evaluations fall on a multiple of so many updates
LAST_ROWS = 2_000  # real rows beyond those of any level, for the held-out error
EPISODES = {"HalfCheetah-v5": 5, "Hopper-v5": 10, "Reacher-v5": 50}


@dataclass(frozen=True)
class Run:
    """One run of the study.

    Attributes:
        env_id: Gymnasium id of the environment.
        rows: Number of real rows.
        updates: Number of gradient steps.
        share: Share of generated rows in a batch.
        algorithm: ``td3bc`` or ``iql``.
        seed: Seed of the rows, the generator, the batches and the agent.
        layer_norm: Whether the critics have layer norm after each hidden layer.
        width: Units of the two hidden layers of every network.
    """

    env_id: str
    rows: int
    updates: int
    share: float
    algorithm: Algorithm
    seed: int
    layer_norm: bool = False
    width: int = WIDTH

    @property
    def path(self) -> Path:
        """Result file."""
        marks = [self.env_id, self.rows, self.algorithm, *(["ln"] if self.layer_norm else [])]
        marks += [f"w{self.width}"] if self.width != WIDTH else []
        return RUNS / ("-".join(map(str, [*marks, f"{self.share:g}", self.seed])) + ".json")

    @property
    def arguments(self) -> list[str]:
        """Command-line arguments of :mod:`benchmarks.pressure.agent`: the name of the result file."""
        return [self.path.stem]

    @property
    def group(self) -> tuple[str, int, int]:
        """Runs with the same generator."""
        return self.env_id, self.rows, self.seed

    @property
    def cell(self) -> tuple[str, int, str, bool, int]:
        """What is equal in the runs that are compared, but the seed."""
        return self.env_id, self.rows, self.algorithm, self.layer_norm, self.width

    @property
    def evaluations(self) -> list[int]:
        """Numbers of updates after which the agent is evaluated, the last one included."""
        at = {round(draws * self.rows / BATCH / EVERY) * EVERY for draws in DRAWS}
        return sorted({updates for updates in at if 0 < updates < self.updates} | {self.updates})


def _cells(
    rows: int,
    updates: int,
    shares: Sequence[float],
    algorithms: Sequence[Algorithm],
    environments: Iterable[str] = ENVIRONMENTS,
    **other: bool | int,
) -> list[Run]:
    """Lists the runs of some cells by seed, so that an interrupted study is balanced."""
    order = product(SEEDS, environments, algorithms, shares)
    return [Run(e, rows, updates, share, algorithm, seed, **other) for seed, e, algorithm, share in order]  # type: ignore[arg-type]


def runs() -> list[Run]:
    """Lists all runs, in the order in which they are made."""
    td3bc: tuple[Algorithm, ...] = ("td3bc",)
    iql: tuple[Algorithm, ...] = ("iql",)
    bounded = ("HalfCheetah-v5", "Hopper-v5")
    found = _cells(500, 8_000, SHARES, td3bc)
    found += _cells(500, 8_000, PAIR, iql)
    found += _cells(500, 8_000, PAIR, td3bc, bounded, layer_norm=True)
    found += _cells(1_500, 12_000, PAIR, td3bc)
    found += _cells(5_000, 80_000, PAIR, td3bc, bounded[:1])
    found += _cells(5_000, 20_000, PAIR, td3bc, ENVIRONMENTS[1:])
    found += _cells(1_500, 12_000, PAIR, td3bc, bounded, layer_norm=True)
    found += _cells(5_000, 20_000, PAIR, td3bc, bounded, layer_norm=True)
    found += _cells(1_500, 12_000, PAIR, iql)
    found += _cells(5_000, 20_000, PAIR, iql, bounded[:1])
    found += _cells(500, 8_000, PAIR, td3bc, bounded[:1], width=256)
    found += _cells(1_500, 12_000, SHARES[1::2], td3bc)
    return found


def run_of(stem: str) -> Run:
    """Returns the run of the study with a result file of that name.

    Raises:
        SystemExit: If there is none.
    """
    found = next((run for run in runs() if run.path.stem == stem), None)
    if found is None:
        raise SystemExit(f"{stem} is no run of this study; python -m benchmarks.pressure.run makes all of them.")
    return found
