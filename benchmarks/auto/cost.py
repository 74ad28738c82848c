"""What ``auto`` costs where it generates nothing: ``python -m benchmarks.auto.cost``.

SAC at one update a step with SB3's own buffer and with ``real_ratio="auto"``, in turns of 250 steps in one process, so
that both meet the same load of the machine. The ratio is that of the sums of the turns' times.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch

from benchmarks.auto.online import make, weights
from benchmarks.auto.study import AUTO, CELLS, STOCK
from benchmarks.shared import report
from synth_replay.buffers import AutoShare

TURN, TURNS, WARM_TURNS = 250, 24, 5  # learning starts with the fifth turn


def _random_state() -> tuple[Any, torch.Tensor]:
    return np.random.get_state(), torch.get_rng_state()  # noqa: NPY002 - SB3's stream


def main() -> None:
    """Trains both and writes the table."""
    torch.set_num_threads(1)
    cell = next(cell for cell in CELLS if cell.kind == "online" and cell.updates == 1)
    models = {STOCK: make(cell, None, 0), AUTO: make(cell, "auto", 0)}
    seconds: dict[str, list[float]] = {arm: [] for arm in models}
    states = dict.fromkeys(models, _random_state())
    for turn in range(TURNS):
        for arm in sorted(models, reverse=bool(turn % 2)):
            np.random.set_state(states[arm][0])  # noqa: NPY002 - SB3's stream
            torch.set_rng_state(states[arm][1])
            started = time.process_time()
            models[arm].learn(TURN, reset_num_timesteps=False)
            seconds[arm].append(time.process_time() - started)
            states[arm] = _random_state()
    held = {arm: np.array(found[WARM_TURNS:]) for arm, found in seconds.items()}
    ratios = held[AUTO] / held[STOCK]
    line = {
        "steps": TURN * TURNS,
        "draws per row": round(models[AUTO].replay_buffer.stats.draws_per_row, 1),
        "draws at which auto begins": AutoShare().begin,
        "CPU seconds, stock": round(held[STOCK].sum(), 1),
        "CPU seconds, auto": round(held[AUTO].sum(), 1),
        "auto / stock": round(held[AUTO].sum() / held[STOCK].sum(), 4),
        "median auto / stock of 250 steps": round(float(np.median(ratios)), 4),
        "final weights": "equal" if weights(models[AUTO]) == weights(models[STOCK]) else "different",
    }
    report("auto_cost", [line])


if __name__ == "__main__":
    main()
