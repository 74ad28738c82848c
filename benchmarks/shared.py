"""Parts that all benchmarks share: real data, timing, and results as JSON and a printed table."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch

from synth_replay import GeneratorConfig, TransitionGenerator, Transitions

ROOT = Path(__file__).parent
RESULTS = ROOT / "results"
TABLES = ROOT.parent / "docs" / "tables"
DATA = ROOT.parent / "data"
CACHE = DATA / "generators"
COLLECT = {"Hopper-v5": "SAC", "CartPole-v1": "DQN", "Acrobot-v1": "DQN"}
HOLDOUT = 10_000


def replay(env_id: str) -> tuple[Transitions, Transitions]:
    """Loads 50,000 training rows and 10,000 held-out rows of a replay; a missing replay is collected first."""
    path = DATA / f"{env_id}-replay.npz"
    if not path.exists():
        script = ROOT.parent / "examples" / "collect_dataset.py"
        command = [sys.executable, str(script), "--env", env_id, "--algo", COLLECT[env_id], "--out", str(DATA)]
        subprocess.run(command, check=True)
    rows = Transitions(**dict(np.load(path)))
    order = np.random.default_rng(0).permutation(len(rows))
    return rows[order[HOLDOUT:]], rows[order[:HOLDOUT]]


def fitted(env_id: str, config: GeneratorConfig, tag: str, seed: int = 0) -> tuple[TransitionGenerator, float]:
    """Returns a generator fitted on the replay, from the cache if possible, and the seconds of its fit."""
    folder = CACHE / f"{env_id}-{tag}-{seed}"
    if not (folder / "generator.json").exists():
        env = gym.make(env_id)
        generator = TransitionGenerator(env.observation_space, env.action_space, config, seed)
        started = time.perf_counter()
        generator.fit(replay(env_id)[0], progress=True, checkpoint=folder / "training")
        generator.save(folder)
        (folder / "seconds.json").write_text(json.dumps(time.perf_counter() - started))
    generator = TransitionGenerator.load(folder)
    if generator.config != config:
        raise SystemExit(f"{folder} holds another configuration: delete it to fit again.")
    return generator, json.loads((folder / "seconds.json").read_text())


def cpu_seconds(work: Callable[[], Any]) -> float:
    """Measures the CPU seconds of one call, summed over all threads."""
    started = time.process_time()
    work()
    return time.process_time() - started


def milliseconds(work: Callable[[], Any], calls: int) -> float:
    """Measures the mean wall time of a call in milliseconds."""
    started = time.perf_counter()
    for _ in range(calls):
        work()
    return (time.perf_counter() - started) / calls * 1e3


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def report(name: str, rows: list[dict[str, Any]], **notes: Any) -> None:
    """Saves ``results/<name>.json`` and the table of the docs' evidence page, and prints it."""
    RESULTS.mkdir(exist_ok=True)
    machine = {"python": platform.python_version(), "torch": torch.__version__, "threads": torch.get_num_threads()}
    payload = {"benchmark": name, "machine": machine, **notes, "rows": rows}
    (RESULTS / f"{name}.json").write_text(json.dumps(payload, indent=2) + "\n")
    cells = [list(rows[0])] + [[_cell(value) for value in row.values()] for row in rows]
    TABLES.mkdir(exist_ok=True)
    markdown = ["| " + " | ".join(row) + " |" for row in cells]
    (TABLES / f"{name}.md").write_text("\n".join([markdown[0], "|---" * len(cells[0]) + "|", *markdown[1:]]) + "\n")
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    print(f"\n{name}")
    for row in cells:
        print("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)))
