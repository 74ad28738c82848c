"""One run of the study; nothing of d3rlpy or SB3 is changed but the buffer."""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from typing import Any

warnings.simplefilter("ignore")

import d3rlpy  # noqa: E402
import gymnasium as gym  # noqa: E402
from d3rlpy.logging import NoopAdapterFactory  # noqa: E402
from d3rlpy.metrics.utility import evaluate_qlearning_with_environment  # noqa: E402
from d3rlpy.models import VectorEncoderFactory  # noqa: E402
from d3rlpy.preprocessing import MultiplyRewardScaler, StandardObservationScaler  # noqa: E402
from stable_baselines3 import SAC  # noqa: E402
from stable_baselines3.common.callbacks import BaseCallback  # noqa: E402
from stable_baselines3.common.evaluation import evaluate_policy  # noqa: E402
from stable_baselines3.common.monitor import Monitor  # noqa: E402

import synth_replay_d3rlpy as for_d3rlpy  # noqa: E402
import synth_replay_sb3 as for_sb3  # noqa: E402
from benchmarks.offline.agent import REWARD_SCALE, FusedAdamFactory  # noqa: E402
from benchmarks.offline_to_online.study import (  # noqa: E402
    ARMS,
    BATCH,
    CONFIG,
    EPISODES,
    EVERY,
    LAYERS,
    OFFLINE_STEPS,
    ONLINE_STEPS,
    REFRESH,
    SAC_UPDATES,
    Part,
    normalized,
    offline_data,
)
from synth_replay import TransitionSpec  # noqa: E402

QUIET: dict[str, Any] = {"logger_adapter": NoopAdapterFactory(), "show_progress": False}
SETTINGS: dict[str, Any] = {"generator": CONFIG, "refresh_every": REFRESH, "refit": "warm", "progress": False}


def pretrained_iql(part: Part, dataset: Any) -> Any:
    """IQL after its offline steps: learnt once for all arms of a seed."""
    encoder = VectorEncoderFactory(LAYERS)
    scalers = {
        "observation_scaler": StandardObservationScaler(),
        "reward_scaler": MultiplyRewardScaler(REWARD_SCALE[part.env_id]),
    }
    names = ("actor", "critic")
    factories = {f"{name}_encoder_factory": encoder for name in (*names, "value")}
    factories |= {f"{name}_optim_factory": FusedAdamFactory() for name in names}
    iql = d3rlpy.algos.IQLConfig(batch_size=BATCH, **factories, **scalers).create(device="cpu")
    if part.pretrained.exists():
        for scaler in scalers.values():
            if not scaler.built:
                scaler.fit_with_transition_picker(dataset.episodes, dataset.transition_picker)
        iql.build_with_dataset(dataset)
        iql.load_model(str(part.pretrained))
        return iql
    iql.fit(dataset, n_steps=OFFLINE_STEPS, n_steps_per_epoch=OFFLINE_STEPS, **QUIET)
    part.pretrained.parent.mkdir(parents=True, exist_ok=True)
    iql.save_model(str(part.pretrained))
    return iql


def run_iql(part: Part) -> tuple[list[float], dict[str, float]]:
    """The curve of fine-tuning and the buffer's figures."""
    env, eval_env = gym.make(part.env_id), gym.make(part.env_id)
    dataset = for_d3rlpy.to_replay_buffer(offline_data(part), TransitionSpec(env.observation_space, env.action_space))
    d3rlpy.seed(part.seed)
    iql = pretrained_iql(part, dataset)
    d3rlpy.seed(part.seed)
    env.reset(seed=part.seed)
    eval_env.reset(seed=part.seed)
    buffer = for_d3rlpy.CFGMixedBuffer(dataset, env=env, extra_columns=(), seed=part.seed, **SETTINGS, **ARMS[part.arm])
    curve = [evaluate_qlearning_with_environment(iql, eval_env, n_trials=EPISODES[part.env_id])]

    def after_epoch(algorithm: Any, epoch: int, step: int) -> None:  # noqa: ARG001
        if step % EVERY == 0:
            curve.append(evaluate_qlearning_with_environment(algorithm, eval_env, n_trials=EPISODES[part.env_id]))

    iql.fit_online(env, buffer, n_steps=ONLINE_STEPS, n_steps_per_epoch=EVERY, callback=after_epoch, **QUIET)
    return curve, buffer.stats.to_dict()


class Curve(BaseCallback):
    """Evaluates the policy every so many steps."""

    def __init__(self, env_id: str, seed: int) -> None:
        super().__init__()
        self.env, self.curve, self.episodes = Monitor(gym.make(env_id)), [], EPISODES[env_id]
        self.env.reset(seed=seed)

    def take(self) -> None:
        """One point."""
        self.curve.append(float(evaluate_policy(self.model, self.env, self.episodes)[0]))

    def _on_training_start(self) -> None:
        self.take()

    def _on_step(self) -> bool:
        if self.num_timesteps % EVERY == 0:
            self.take()
        return True


def run_sac(part: Part) -> tuple[list[float], dict[str, float]]:
    """The curve of training and the buffer's figures."""
    model = SAC(
        "MlpPolicy",
        part.env_id,
        learning_starts=0,
        batch_size=BATCH,
        gradient_steps=SAC_UPDATES,
        policy_kwargs={"net_arch": LAYERS, "optimizer_kwargs": {"fused": True}},
        replay_buffer_class=for_sb3.CFGMixedBuffer,
        replay_buffer_kwargs={"offline": offline_data(part), "seed": part.seed, **SETTINGS, **ARMS[part.arm]},
        seed=part.seed,
        device="cpu",
    )
    callback = Curve(part.env_id, part.seed)
    model.learn(ONLINE_STEPS, callback=callback)
    return callback.curve, model.replay_buffer.stats.to_dict()


def main() -> None:
    """``python -m benchmarks.offline_to_online.agent ENV QUALITY ALGORITHM ARM SEED``."""
    env_id, quality, algorithm, arm, seed = sys.argv[1:]
    part = Part(env_id, quality, algorithm, arm, int(seed))
    if arm not in ARMS:
        raise SystemExit(f"arm is one of {', '.join(ARMS)}")
    started = time.perf_counter()
    curve, stats = (run_iql if algorithm == "iql" else run_sac)(part)
    found = vars(part) | {"curve": [normalized(env_id, value) for value in curve], "every": EVERY}
    found |= {"stats": stats, "seconds": time.perf_counter() - started}
    part.path.parent.mkdir(exist_ok=True)
    partial = part.path.with_suffix(f".{os.getpid()}.partial")
    partial.write_text(json.dumps(found, indent=1) + "\n")
    partial.replace(part.path)
    print(" ".join(part.arguments), [round(x, 1) for x in found["curve"]], f"{found['seconds']:.0f} s")


if __name__ == "__main__":
    main()
