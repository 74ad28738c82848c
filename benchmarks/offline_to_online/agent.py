"""Makes one run of the study; of d3rlpy and SB3, only the buffer is replaced."""

from __future__ import annotations

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
    Run,
    normalized,
    offline_data,
)
from benchmarks.runner import save  # noqa: E402
from synth_replay import TransitionSpec  # noqa: E402

QUIET: dict[str, Any] = {"logger_adapter": NoopAdapterFactory(), "show_progress": False}
SETTINGS: dict[str, Any] = {"generator": CONFIG, "refresh_every": REFRESH, "refit": "warm", "progress": False}


def pretrained_iql(run: Run, dataset: Any) -> Any:
    """Returns IQL after its offline steps, which are trained once for all arms of a seed."""
    encoder = VectorEncoderFactory(LAYERS)
    scalers = {
        "observation_scaler": StandardObservationScaler(),
        "reward_scaler": MultiplyRewardScaler(REWARD_SCALE[run.env_id]),
    }
    names = ("actor", "critic")
    factories = {f"{name}_encoder_factory": encoder for name in (*names, "value")}
    factories |= {f"{name}_optim_factory": FusedAdamFactory() for name in names}
    iql = d3rlpy.algos.IQLConfig(batch_size=BATCH, **factories, **scalers).create(device="cpu")
    if run.pretrained.exists():
        for scaler in scalers.values():
            if not scaler.built:
                scaler.fit_with_transition_picker(dataset.episodes, dataset.transition_picker)
        iql.build_with_dataset(dataset)
        iql.load_model(str(run.pretrained))
        return iql
    iql.fit(dataset, n_steps=OFFLINE_STEPS, n_steps_per_epoch=OFFLINE_STEPS, **QUIET)
    run.pretrained.parent.mkdir(parents=True, exist_ok=True)
    iql.save_model(str(run.pretrained))
    return iql


def run_iql(run: Run) -> tuple[list[float], dict[str, float]]:
    """Fine-tunes IQL; returns the learning curve and the buffer's statistics."""
    env, eval_env = gym.make(run.env_id), gym.make(run.env_id)
    dataset = for_d3rlpy.to_replay_buffer(offline_data(run), TransitionSpec(env.observation_space, env.action_space))
    d3rlpy.seed(run.seed)
    iql = pretrained_iql(run, dataset)
    d3rlpy.seed(run.seed)
    env.reset(seed=run.seed)
    eval_env.reset(seed=run.seed)
    buffer = for_d3rlpy.CFGMixedBuffer(dataset, env=env, extra_columns=(), seed=run.seed, **SETTINGS, **ARMS[run.arm])
    curve = [evaluate_qlearning_with_environment(iql, eval_env, n_trials=EPISODES[run.env_id])]

    def after_epoch(algorithm: Any, epoch: int, step: int) -> None:  # noqa: ARG001
        if step % EVERY == 0:
            curve.append(evaluate_qlearning_with_environment(algorithm, eval_env, n_trials=EPISODES[run.env_id]))

    iql.fit_online(env, buffer, n_steps=ONLINE_STEPS, n_steps_per_epoch=EVERY, callback=after_epoch, **QUIET)
    return curve, buffer.stats.to_dict()


class Curve(BaseCallback):
    """Evaluates the policy every 500 steps."""

    def __init__(self, env_id: str, seed: int) -> None:
        super().__init__()
        self.env, self.curve, self.episodes = Monitor(gym.make(env_id)), [], EPISODES[env_id]
        self.env.reset(seed=seed)

    def take(self) -> None:
        """Adds one point to the curve."""
        self.curve.append(float(evaluate_policy(self.model, self.env, self.episodes)[0]))

    def _on_training_start(self) -> None:
        self.take()

    def _on_step(self) -> bool:
        if self.num_timesteps % EVERY == 0:
            self.take()
        return True


def run_sac(run: Run) -> tuple[list[float], dict[str, float]]:
    """Trains SAC; returns the learning curve and the buffer's statistics."""
    model = SAC(
        "MlpPolicy",
        run.env_id,
        learning_starts=0,
        batch_size=BATCH,
        gradient_steps=SAC_UPDATES,
        policy_kwargs={"net_arch": LAYERS, "optimizer_kwargs": {"fused": True}},
        replay_buffer_class=for_sb3.CFGMixedBuffer,
        replay_buffer_kwargs={"offline": offline_data(run), "seed": run.seed, **SETTINGS, **ARMS[run.arm]},
        seed=run.seed,
        device="cpu",
    )
    callback = Curve(run.env_id, run.seed)
    model.learn(ONLINE_STEPS, callback=callback)
    return callback.curve, model.replay_buffer.stats.to_dict()


def main() -> None:
    """Makes one run: ``python -m benchmarks.offline_to_online.agent ENV QUALITY ALGORITHM ARM SEED``."""
    env_id, quality, algorithm, arm, seed = sys.argv[1:]
    run = Run(env_id, quality, algorithm, arm, int(seed))
    if arm not in ARMS:
        raise SystemExit(f"arm is one of {', '.join(ARMS)}")
    started = time.perf_counter()
    curve, stats = (run_iql if algorithm == "iql" else run_sac)(run)
    found = vars(run) | {"curve": [normalized(env_id, value) for value in curve], "every": EVERY}
    found |= {"stats": stats, "seconds": time.perf_counter() - started}
    save(run, found)
    print(" ".join(run.arguments), [round(x, 1) for x in found["curve"]], f"{found['seconds']:.0f} s")


if __name__ == "__main__":
    main()
