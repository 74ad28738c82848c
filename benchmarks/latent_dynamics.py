"""Dynamics error of generated latents of cheetah-run: ``python benchmarks/latent_dynamics.py``.

A probe decodes the simulator's states from latents for SynthER's one-step check (Section 4.1.1). The dataset's frames
have no states beside them, so the probe is fitted on further episodes of the policy that made the dataset. Generator
and held-out rows are those of ``benchmarks/latents.py``, which must run first.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog
from latents import latents
from shared import ROOT, report

sys.path.insert(0, str(ROOT.parent / "examples"))  # the scripts that made the dataset

import numpy as np
from common.pixel_snapshots import learn
from common.pixel_tasks import ControlTask
from tqdm import trange

from benchmarks.visual.study import DATA, run_of
from synth_replay import TransitionGenerator
from synth_replay.encoders import FrozenEncoder
from synth_replay.environments import PhysicsEnv
from synth_replay.evaluation import StateProbe, latent_dynamics
from synth_replay.spaces import Array
from synth_replay_visual import make_task

TASK = "cheetah-run"
EPISODES, HELD_OUT, FIRST_SEED = 44, 4, 50_000
STEPPED = 2_000


def acted(encoder: FrozenEncoder) -> list[tuple[Array, Array]]:
    """Collects latents and states of episodes that are not in the dataset."""
    task, env = ControlTask(TASK, 64, None), make_task(TASK).make_env("original", 64)
    folder = DATA / f"{TASK}-policies-25000-seed0"
    best = max(learn(task, folder, 25_000, 0), key=lambda shot: shot.score)
    policy = task.policy(task.algorithm.load(folder / best.file, device="cpu"), env, best=False)
    return [_episode(env, policy, encoder, FIRST_SEED + i) for i in trange(EPISODES, desc="Acting", unit="episode")]


def _episode(env: Any, policy: Any, encoder: FrozenEncoder, seed: int) -> tuple[Array, Array]:
    frames, over = [env.reset(seed=seed)[0]], False
    states = [env.unwrapped.physics.get_state()]
    while not over:
        frame, _, terminated, truncated, _ = env.step(policy(frames[-1]))
        over = terminated or truncated
        frames.append(frame)
        states.append(env.unwrapped.physics.get_state())
    return encoder.encode(np.array(frames)), np.array(states)


def main() -> None:
    """Measures the dynamics error and the probe's resolution."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    folder = run_of(TASK).folder
    held = latents(TASK)[0]
    held = held[: len(held) // 10]
    episodes = acted(FrozenEncoder.load(folder / "seed-0" / "plain" / "encoder.safetensors"))
    left, fitted = (
        tuple(map(np.concatenate, zip(*e, strict=True))) for e in (episodes[:HELD_OUT], episodes[HELD_OUT:])
    )
    probe = StateProbe(*fitted)
    made = TransitionGenerator.load(folder / "cpu-preset").sample(STEPPED, progress=True)
    found = latent_dynamics(probe, made, held[:STEPPED], PhysicsEnv("cheetah", "run"), PhysicsEnv.set_state)
    scores = probe.score(*left)
    line = {"task": TASK, "generated rows": STEPPED, "real rows": len(held), "median R2 of states": np.median(scores)}
    report("latent_dynamics", [line | {"generated / real": found.ratio, "unmoved / real": found.resolution}])
    print("R2 of each state", np.round(scores, 2), "generated / real", np.round(found.per_dimension, 2))


if __name__ == "__main__":
    main()
