"""The test of ``real_ratio="auto"`` on cells that did not form its rule: the cells, the arms and the runs.

Runs of a cell and a seed differ in the share of generated rows alone. The score of a run is the mean of its last three
of ten evaluations, on a scale from 0 (random) to 100 (expert).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Literal

ROOT = Path(__file__).parent
RUNS = ROOT / "runs"
SEEDS = range(5)
BATCH, LAYERS = 256, [128, 128]
EVALUATIONS, SCORED = 10, 3
EPISODES = {"Acrobot-v1": 20, "Reacher-v5": 20}  # 5 in the other environments

Share = float | Literal["auto"]
STOCK, AUTO = "stock", "auto"
# share of generated rows; the host's own buffer for "stock"
ARMS: dict[str, Share | None] = {STOCK: None, AUTO: "auto", "0.5": 0.5, "0.25": 0.25, "0.75": 0.75}
FIXED = ("0.25", "0.5", "0.75")


@dataclass(frozen=True)
class Cell:
    """One training on which arms are compared.

    Attributes:
        name: Name in files and tables.
        kind: ``offline`` (d3rlpy), ``online`` (SB3) or ``mixed`` (offline to online, SB3 with CFDG's buffer).
        env_id: Gymnasium id of the environment.
        algorithm: ``td3bc``, ``discrete_cql`` or ``sac``.
        rows: Real rows: of the dataset, or environment steps.
        updates: Gradient steps in all (``offline``), or at each environment step.
    """

    name: str
    kind: Literal["offline", "online", "mixed"]
    env_id: str
    algorithm: str
    rows: int
    updates: int

    @property
    def episodes(self) -> int:
        """Episodes of an evaluation."""
        return EPISODES.get(self.env_id, 5)


CELLS = (
    Cell("walker-500", "offline", "Walker2d-v5", "td3bc", 500, 8_000),
    Cell("walker-5000", "offline", "Walker2d-v5", "td3bc", 5_000, 5_000),
    Cell("acrobot-500", "offline", "Acrobot-v1", "discrete_cql", 500, 8_000),
    Cell("acrobot-5000", "offline", "Acrobot-v1", "discrete_cql", 5_000, 5_000),
    Cell("cheetah-1", "online", "HalfCheetah-v5", "sac", 6_000, 1),
    Cell("cheetah-4", "online", "HalfCheetah-v5", "sac", 6_000, 4),
    Cell("cheetah-10", "online", "HalfCheetah-v5", "sac", 6_000, 10),
    Cell("walker-mixed-1", "mixed", "Walker2d-v5", "sac", 3_000, 1),
    Cell("walker-mixed-8", "mixed", "Walker2d-v5", "sac", 3_000, 8),
)
OFFLINE_ROWS = 2_000  # of the replay, in the cells of the kind "mixed"


@dataclass(frozen=True)
class Run:
    """One run of the study: a cell, an arm (one of :data:`ARMS`) and a seed."""

    cell: Cell
    arm: str
    seed: int

    @property
    def path(self) -> Path:
        """Result file."""
        return RUNS / f"{self.cell.name}-{self.arm}-{self.seed}.json"

    @property
    def arguments(self) -> list[str]:
        """Command-line arguments of :mod:`benchmarks.auto.agent`."""
        return [self.cell.name, self.arm, str(self.seed)]

    @property
    def group(self) -> tuple[str, ...]:
        """Runs that are made one after the other: those of one dataset, which share a generator."""
        name = [self.cell.name, str(self.seed)]
        return tuple(name if self.cell.kind == "offline" else [*name, self.arm])


def runs() -> list[Run]:
    """Lists all runs seed by seed, so that an interrupted study is balanced."""
    return [Run(cell, arm, seed) for seed, cell, arm in product(SEEDS, CELLS, ARMS)]
