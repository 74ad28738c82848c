"""Makes one run with Stable-Baselines Jax: ``python -m benchmarks.online.agent TASK RATIO ARM SEED``.

Its updates of one environment step are one compiled scan, which takes a quarter of Stable-Baselines3's time here.
"""

from __future__ import annotations

import os
import sys
import time
import warnings
from pathlib import Path
from typing import Any

os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")
warnings.simplefilter("ignore")

import gymnasium as gym  # noqa: E402
import jax  # noqa: E402
import numpy as np  # noqa: E402
from gymnasium.wrappers import DtypeObservation, FlattenObservation  # noqa: E402
from sbx import SAC  # noqa: E402
from stable_baselines3.common.callbacks import BaseCallback  # noqa: E402
from stable_baselines3.common.evaluation import evaluate_policy  # noqa: E402
from stable_baselines3.common.monitor import Monitor  # noqa: E402

from benchmarks.online.study import (  # noqa: E402
    ARMS,
    BATCH,
    EVALUATIONS,
    LAYERS,
    REFRESH,
    STEPS,
    TASKS,
    WARM_UP,
    Arm,
    Run,
    Task,
)
from benchmarks.runner import save  # noqa: E402
from synth_replay import GeneratorConfig  # noqa: E402
from synth_replay_sb3 import SyntheticReplayBuffer, SyntheticReplayCallback  # noqa: E402

# The demo's generator, which is small enough to be refitted every 2,000 steps
CONFIG = Path(__file__).parents[2] / "examples" / "demo_generator.yaml"
PROBED = 1_000


def environment(task: Task) -> gym.Env[Any, Any]:
    """Creates the environment, with flat float32 observations."""
    if task.env_id.startswith("dm_control"):
        import shimmy

        gym.register_envs(shimmy)
        return DtypeObservation(FlattenObservation(gym.make(task.env_id)), np.float32)
    return DtypeObservation(gym.make(task.env_id), np.float32)


def critics(model: SAC, rows: dict[str, np.ndarray]) -> dict[str, float]:
    """Computes the mean value of the critics and their mean squared TD error on rows in SB3's columns."""
    state, key = model.policy.qf_state, {"dropout": jax.random.PRNGKey(0)}
    flat = {name: np.asarray(rows[name]).reshape(len(rows["rewards"]), -1) for name in rows}
    values = state.apply_fn(state.params, flat["observations"], flat["actions"], rngs=key)
    actor = model.policy.actor_state
    following = actor.apply_fn(actor.params, flat["next_observations"]).sample(seed=jax.random.PRNGKey(1))
    after = state.apply_fn(state.target_params, flat["next_observations"], following, rngs=key).min(axis=0)
    target = flat["rewards"] + model.gamma * (1 - flat["dones"]) * np.asarray(after)
    return {"value": float(values.mean()), "td_error": float(np.square(np.asarray(values) - target).mean())}


def probes(model: SAC) -> dict[str, dict[str, float]]:
    """Computes the critics' figures on real and on generated rows, the ones that are there."""
    buffer, rng = model.replay_buffer, np.random.default_rng(0)
    names = ("observations", "actions", "rewards", "next_observations", "dones")
    index = rng.integers(buffer.size(), size=PROBED)
    rows = {name: getattr(buffer, name)[index, 0] for name in names}
    rows["dones"] = rows["dones"] * (1 - buffer.timeouts[index, 0])
    found = {"real": critics(model, rows)}
    stores = buffer.engine.stores if isinstance(buffer, SyntheticReplayBuffer) else {}
    for store in stores.values():
        columns = store.gather(rng.integers(len(store), size=PROBED))
        found["generated"] = critics(model, {name: columns[name] for name in names})
    return found


class Curve(BaseCallback):
    """Evaluates the policy ten times, and looks at the critics then."""

    def __init__(self, task: Task, seed: int) -> None:
        super().__init__()
        self.task, self.seed, self.env = task, seed, Monitor(environment(task))
        self.points: list[dict[str, Any]] = []
        self.started = time.perf_counter()

    def _on_step(self) -> bool:
        if self.num_timesteps % (STEPS // EVALUATIONS) == 0:
            taken = time.perf_counter()
            self.env.reset(seed=1_000 + self.seed)
            score = self.task.normalized(float(evaluate_policy(self.model, self.env, self.task.episodes)[0]))
            point = {"step": self.num_timesteps, "score": score, "seconds": taken - self.started}
            self.points.append(point | probes(self.model))
            self.started += time.perf_counter() - taken  # evaluations are not part of the training's time
        return True


def options(arm: Arm, seed: int) -> dict[str, Any]:
    """Returns SAC's arguments for the replay buffer."""
    if arm.buffer is None:
        return {}
    given = {"generator": GeneratorConfig.load(CONFIG), "refresh_every": REFRESH, "progress": False, "seed": seed}
    return {"replay_buffer_class": SyntheticReplayBuffer, "replay_buffer_kwargs": given | arm.buffer}


def make(run: Run) -> SAC:
    """Creates SAC with the defaults of Stable-Baselines Jax except for its width and what the arm changes."""
    arm = ARMS[run.arm]
    return SAC(
        "MlpPolicy",
        environment(TASKS[run.task]),
        learning_starts=WARM_UP,
        batch_size=BATCH,
        gradient_steps=run.ratio,
        policy_kwargs={"net_arch": LAYERS, "layer_norm": arm.layer_norm, "dropout_rate": arm.dropout},
        param_resets=list(range(arm.resets, STEPS, arm.resets)) if arm.resets else None,
        seed=run.seed,
        **options(arm, run.seed),
    )


def train(run: Run) -> dict[str, Any]:
    """Trains the agent; returns its curve and the buffer's figures."""
    model, curve = make(run), Curve(TASKS[run.task], run.seed)
    ours = [SyntheticReplayCallback()] if ARMS[run.arm].buffer is not None else []
    started = time.process_time()
    model.learn(STEPS, callback=[curve, *ours])
    stats = getattr(model.replay_buffer, "stats", None)
    found = {"task": run.task, "ratio": run.ratio, "arm": run.arm, "seed": run.seed, "curve": curve.points}
    return found | {"cpu_seconds": time.process_time() - started, "stats": stats.to_dict() if stats else None}


def main() -> None:
    """Makes one run and writes its result."""
    task, ratio, arm, seed = sys.argv[1:]
    if task not in TASKS or arm not in ARMS:
        raise SystemExit(f"TASK is one of {', '.join(TASKS)}; ARM is one of {', '.join(ARMS)}.")
    run = Run(task, int(ratio), arm, int(seed))
    found = train(run)
    save(run, found)
    points = found["curve"]
    print(run.path.stem, f"{points[-1]['seconds']:.0f} s", *(f"{point['score']:.1f}" for point in points))


if __name__ == "__main__":
    main()
