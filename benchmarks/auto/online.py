"""Online cells and cells from offline to online: SB3's SAC, of which only the buffer is replaced."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import gymnasium as gym
from stable_baselines3 import SAC
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor

from benchmarks.auto.study import ARMS, BATCH, EVALUATIONS, LAYERS, OFFLINE_ROWS, Cell, Run, Share
from benchmarks.offline.study import data, normalized
from synth_replay import GeneratorConfig
from synth_replay_sb3 import CFGMixedBuffer, SyntheticReplayBuffer

# The demo's generator, which is small enough to be refitted every 2,000 steps
CONFIG = Path(__file__).parents[2] / "examples" / "demo_generator.yaml"
REFRESH, WARM_UP = 1_000, 1_000  # fixed shares begin with the first batch
HALF_ONLINE = 0.5  # share of the rows of the agent's own steps among real ones


class Curve(BaseCallback):
    """Evaluates the policy ten times during the training."""

    def __init__(self, cell: Cell, seed: int) -> None:
        super().__init__()
        self.env, self.cell, self.seed = Monitor(gym.make(cell.env_id)), cell, seed
        self.curve: list[float] = []

    def _on_step(self) -> bool:
        if self.num_timesteps % (self.cell.rows // EVALUATIONS) == 0:
            self.env.reset(seed=1_000 + self.seed)
            mean = evaluate_policy(self.model, self.env, self.cell.episodes)[0]
            self.curve.append(normalized(self.cell.env_id, float(mean)))
        return True


def buffer(cell: Cell, share: Share | None, seed: int) -> dict[str, Any]:
    """Returns SAC's arguments for the buffer: none for SB3's own.

    SB3 has no buffer of offline and online rows, so the stock arm of a mixed cell is CFDG's without generated rows.
    """
    options: dict[str, Any] = {"generator": GeneratorConfig.load(CONFIG), "refresh_every": REFRESH}
    options |= {"progress": False, "seed": seed}
    if cell.kind == "online":
        if share is None:
            return {}
        options["real_ratio"] = "auto" if share == "auto" else 1 - share
        return {"replay_buffer_class": SyntheticReplayBuffer, "replay_buffer_kwargs": options}
    options |= {"offline": data(cell.env_id, OFFLINE_ROWS, seed), "online_ratio": HALF_ONLINE}
    options["synthetic_ratio"] = 0.0 if share is None else share
    return {"replay_buffer_class": CFGMixedBuffer, "replay_buffer_kwargs": options}


def make(cell: Cell, share: Share | None, seed: int) -> SAC:
    """Creates SAC with SB3's defaults except for its width and the number of updates."""
    return SAC(
        "MlpPolicy",
        cell.env_id,
        gradient_steps=cell.updates,
        learning_starts=WARM_UP if cell.kind == "online" else 0,
        batch_size=BATCH,
        policy_kwargs={"net_arch": LAYERS, "optimizer_kwargs": {"fused": True}},
        seed=seed,
        device="cpu",
        **buffer(cell, share, seed),
    )


def weights(model: SAC) -> str:
    """Computes a digest of all weights."""
    digest = hashlib.sha256()
    for value in model.policy.state_dict().values():
        digest.update(value.numpy().tobytes())
    return digest.hexdigest()


def train(run: Run) -> dict[str, Any]:
    """Trains the agent; returns its curve, its weights' digest and the buffer's figures."""
    model, curve = make(run.cell, ARMS[run.arm], run.seed), Curve(run.cell, run.seed)
    model.learn(run.cell.rows, callback=curve)
    stats = getattr(model.replay_buffer, "stats", None)
    return {"curve": curve.curve, "weights": weights(model), "stats": stats.to_dict() if stats else None}
