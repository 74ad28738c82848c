"""The two agents of demo.py, each in its own process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from tqdm import tqdm

ENV = "HalfCheetah-v5"
ARMS = {"synthetic": "SAC + SyntheticReplayBuffer", "real": "SAC, real rows only"}
EVAL_EVERY = 500
EVAL_EPISODES = 5
UPDATES_PER_STEP = 6
EXAMPLES = Path(__file__).parents[1]


def run_arms(steps: int, seed: int, out: Path) -> dict[str, list[dict[str, Any]]]:
    """Runs both arms in their own processes, with a progress bar for each, and returns their learning curves."""
    curves: dict[str, list[dict[str, Any]]] = {arm: [] for arm in ARMS}
    options = ["--steps", str(steps), "--seed", str(seed), "--out", str(out)]
    threads = [
        threading.Thread(target=_follow, args=(arm, steps, options, out / f"{arm}.log", curves[arm])) for arm in ARMS
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if not all(curves.values()):
        raise SystemExit(f"An arm ended early: see {out}/*.log")
    return curves


def _follow(arm: str, steps: int, options: list[str], log_file: Path, curve: list[dict[str, Any]]) -> None:
    """Runs one arm, shows its progress and appends its evaluations to ``curve``."""
    command = [sys.executable, str(EXAMPLES / "demo.py"), "--arm", arm, *options]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with (
        log_file.open("w") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment) as process,
        tqdm(total=steps, desc=f"{ARMS[arm]:<28}", position=list(ARMS).index(arm), unit="step") as bar,
    ):
        for line in process.stdout or []:
            entry = json.loads(line)
            bar.update(entry["step"] - bar.n)
            if "returns" in entry:
                curve.append(entry)
                bar.set_postfix_str(f"return {sum(entry['returns']) / len(entry['returns']):.0f}")
    if process.returncode:
        raise SystemExit(f"The {arm} arm failed:\n{log_file.read_text()[-2000:]}")
