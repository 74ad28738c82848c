"""Stacked observations ``[9, 84, 84]`` augmented per second, on frames of dm_control: ``python benchmarks/augment.py``.

Rates are divided by that of DrQ's random shift. An observation and its next observation count as two.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from shared import milliseconds, report

from synth_replay.augment import PIXEL_AUGMENTATIONS, PixelAugmenter
from synth_replay.environments import make_dmc_pixels

SIZE, BATCH, CALLS, ROUNDS = 84, 256, 8, 5
PRESET = "generalization"


def frames() -> np.ndarray:
    """Collects frames ``[BATCH + 1, 9, 84, 84]`` uint8 of a random policy."""
    env = make_dmc_pixels("cheetah", "run", size=SIZE, frame_stack=3)
    env.action_space.seed(0)
    found = [env.reset(seed=0)[0]]
    while len(found) <= BATCH:
        found.append(env.step(env.action_space.sample())[0])
    return np.stack(found)


def per_second(names: Any, seen: np.ndarray) -> list[float]:
    """Measures augmented observations per second, in several rounds."""
    augmenter = PixelAugmenter(names, channels_last=False, seed=0)
    before, after = seen[:-1], seen[1:]
    augmenter(before, after)
    return [2e3 * BATCH / milliseconds(lambda: augmenter(before, after), CALLS) for _ in range(ROUNDS)]


def main() -> None:
    """Measures every augmentation by itself, and the preset."""
    seen = frames()
    rates = {name: float(np.median(per_second([name], seen))) for name in PIXEL_AUGMENTATIONS}
    rates["the four of the paper"] = float(np.median(per_second(PRESET, seen)))
    base = rates["random_shift"]
    table = [{"augmentation": n, "observations/s": round(r), "ratio": r / base} for n, r in rates.items()]
    report("augment", table, batch=BATCH, threads=torch.get_num_threads())


if __name__ == "__main__":
    main()
