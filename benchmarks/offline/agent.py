"""Trains and evaluates one agent of the study with d3rlpy, of which only the buffer is replaced."""

from __future__ import annotations

import dataclasses
import json
import sys
import time
import warnings
from collections.abc import Iterable
from typing import Any

import gymnasium as gym
import numpy as np
from torch import nn
from torch.optim import Optimizer

from benchmarks.offline.study import ARMS, BATCH, CONFIGS, EPISODES, STEPS, Run, data, generator, normalized
from benchmarks.runner import save

warnings.simplefilter("ignore")

import d3rlpy  # noqa: E402
from d3rlpy.algos import IQLConfig, QLearningAlgoBase, TD3PlusBCConfig  # noqa: E402
from d3rlpy.logging import NoopAdapterFactory  # noqa: E402
from d3rlpy.metrics import EnvironmentEvaluator  # noqa: E402
from d3rlpy.models import VectorEncoderFactory  # noqa: E402
from d3rlpy.optimizers import AdamFactory  # noqa: E402
from d3rlpy.preprocessing import MultiplyRewardScaler, StandardObservationScaler  # noqa: E402

from synth_replay import TransitionSpec  # noqa: E402
from synth_replay_d3rlpy import SyntheticReplayBuffer, to_replay_buffer  # noqa: E402

# IQL's authors scale the rewards of locomotion tasks to returns of about 1000 per episode of 1000 steps
REWARD_SCALE = {"HalfCheetah-v5": 0.25, "Hopper-v5": 0.5, "Reacher-v5": 1.0}


@dataclasses.dataclass()
class FusedAdamFactory(AdamFactory):  # type: ignore[misc]
    """d3rlpy's Adam with one kernel for all parameters: the same updates in a sixth less time."""

    def create_optimizer(self, named_modules: Iterable[tuple[str, nn.Module]], lr: float) -> Optimizer:
        """Creates the optimiser; d3rlpy calls it."""
        made: Optimizer = super().create_optimizer(named_modules, lr)
        for group in made.param_groups:
            group |= {"fused": True, "foreach": False}
        return made

    @staticmethod
    def get_type() -> str:
        """Returns the optimiser's name in d3rlpy's files."""
        return "fused_adam"


def make(run: Run) -> QLearningAlgoBase[Any, Any]:
    """Creates the algorithm with d3rlpy's defaults except for its size, fused Adam and the usual scaling."""
    encoder = VectorEncoderFactory(list(run.layers))
    common: dict[str, Any] = {"batch_size": BATCH, "observation_scaler": StandardObservationScaler()}
    common |= {"actor_encoder_factory": encoder, "critic_encoder_factory": encoder}
    common |= {"actor_optim_factory": FusedAdamFactory(), "critic_optim_factory": FusedAdamFactory()}
    if run.algorithm == "td3bc":
        return TD3PlusBCConfig(**common).create(device="cpu")
    scaler = MultiplyRewardScaler(REWARD_SCALE[run.env_id])
    return IQLConfig(value_encoder_factory=encoder, reward_scaler=scaler, **common).create(device="cpu")


def buffer(run: Run, env: gym.Env[Any, Any], configs: dict[str, Any] = CONFIGS) -> SyntheticReplayBuffer:
    """Creates the buffer of an arm."""
    dataset = to_replay_buffer(
        data(run.env_id, run.rows, run.seed), TransitionSpec(env.observation_space, env.action_space)
    )
    source: Any = {"real": None, "additive_noise": "additive_noise"}.get(run.arm, "")
    if source == "":
        source = generator(run.arm, run.env_id, run.rows, run.seed, configs)
    return SyntheticReplayBuffer.wrap(
        dataset,
        env=env,
        real_ratio=1.0 if run.arm == "real" else 0.5,
        generator=source,
        extra_columns=(),
        seed=run.seed,
        progress=False,
    )


def train(run: Run, steps: int = STEPS, configs: dict[str, Any] = CONFIGS) -> dict[str, Any]:
    """Trains an agent for ``steps``; the score is the mean normalised return of the episodes that follow."""
    started = time.perf_counter()
    d3rlpy.seed(run.seed)
    env = gym.make(run.env_id)
    env.reset(seed=run.seed)
    rows = buffer(run, env, configs)
    fitted = time.perf_counter()
    evaluator = EnvironmentEvaluator(env, n_trials=EPISODES)
    history = make(run).fit(
        rows,
        n_steps=steps,
        n_steps_per_epoch=steps,
        evaluators={"return": evaluator},
        show_progress=False,
        logger_adapter=NoopAdapterFactory(),
    )
    score = normalized(run.env_id, history[-1][1]["return"])
    seconds = {"generator_s": fitted - started, "training_s": time.perf_counter() - fitted}
    return vars(run) | {"score": score, "steps": steps} | seconds


def main() -> None:
    """Makes one run: ``python -m benchmarks.offline.agent ENV ROWS ARM ALGORITHM SEED [larger]``."""
    env_id, rows, arm, algorithm, seed, *larger = sys.argv[1:]
    run = Run(env_id, int(rows), arm, algorithm, int(seed), bool(larger))
    if arm not in ARMS:
        raise SystemExit(f"arm is one of {', '.join(ARMS)}")
    found = train(run)
    save(run, found)
    print(json.dumps({k: np.round(v, 2).tolist() if isinstance(v, float) else v for k, v in found.items()}))


if __name__ == "__main__":
    main()
