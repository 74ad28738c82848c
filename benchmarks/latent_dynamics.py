"""Do generated latents of cheetah-run move as the simulator does? ``python benchmarks/latent_dynamics.py``.

SynthER's one-step check (Section 4.1.1) by way of a probe that reads the simulator's states from latents. Frames of the
dataset have no states beside them, so the probe is fitted on further episodes of the policy that made it. Generator and
held-out rows are those of ``benchmarks/latents.py``, which is to be run first.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog
from common import ROOT, report
from latents import latents

sys.path.insert(0, str(ROOT.parent / "examples"))  # what made the dataset

import numpy as np
from common.pixel_snapshots import learn
from common.pixel_tasks import ControlTask
from tqdm import trange

from benchmarks.visual.study import DATA, TASKS, Part
from synth_replay import TransitionGenerator
from synth_replay.encoders import FrozenEncoder
from synth_replay.evaluation.latent_dynamics import StateProbe, latent_dynamics
from synth_replay.evaluation.physics import PhysicsEnv
from synth_replay.spaces import Array
from synth_replay_visual import make_task

TASK = "cheetah-run"
EPISODES, HELD_OUT, FIRST_SEED = 44, 4, 50_000
STEPPED = 2_000


def acted(encoder: FrozenEncoder) -> list[tuple[Array, Array]]:
    """Latents and states of episodes that the dataset does not have."""
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
    """The check, and how much the probe can show."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    folder = Part(TASK, TASKS[TASK][1], "baseline", 0).folder
    held = latents(TASK)[0]
    held = held[: len(held) // 10]
    episodes = acted(FrozenEncoder.load(folder / "seed-0" / "plain" / "encoder.pt2"))
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
