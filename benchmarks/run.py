"""Runs all benchmarks behind the tables of the docs, one after the other: ``make bench``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

for name in (
    "fidelity",
    "sampling",
    "training",
    "buffer",
    "labels",
    "augment",
    "latents",
    "latent_dynamics",
    "wide",
    "verdict",
):
    subprocess.run([sys.executable, f"{name}.py"], cwd=Path(__file__).parent, check=True)
