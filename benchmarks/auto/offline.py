"""Offline cells: d3rlpy's TD3+BC and DiscreteCQL, of which only the buffer is replaced."""

from __future__ import annotations

import hashlib
import warnings
from typing import Any

import gymnasium as gym

from benchmarks.auto.study import ARMS, BATCH, EVALUATIONS, LAYERS, Run
from benchmarks.offline.study import data, generator, normalized

warnings.simplefilter("ignore")

import d3rlpy  # noqa: E402
from d3rlpy.algos import DiscreteCQLConfig, QLearningAlgoBase, TD3PlusBCConfig  # noqa: E402
from d3rlpy.logging import NoopAdapterFactory  # noqa: E402
from d3rlpy.metrics import EnvironmentEvaluator  # noqa: E402
from d3rlpy.models import VectorEncoderFactory  # noqa: E402
from d3rlpy.preprocessing import StandardObservationScaler  # noqa: E402

from benchmarks.offline.agent import FusedAdamFactory  # noqa: E402
from synth_replay import TransitionSpec  # noqa: E402
from synth_replay_d3rlpy import SyntheticReplayBuffer, to_replay_buffer  # noqa: E402

Agent = QLearningAlgoBase[Any, Any]


def make(algorithm: str) -> Agent:
    """Creates the algorithm with d3rlpy's defaults except for its size, fused Adam and the usual scaling."""
    encoder, adam = VectorEncoderFactory(LAYERS), FusedAdamFactory()
    common: dict[str, Any] = {"batch_size": BATCH, "observation_scaler": StandardObservationScaler()}
    if algorithm == "discrete_cql":
        return DiscreteCQLConfig(encoder_factory=encoder, optim_factory=adam, **common).create(device="cpu")
    common |= {"actor_encoder_factory": encoder, "critic_encoder_factory": encoder}
    return TD3PlusBCConfig(actor_optim_factory=adam, critic_optim_factory=adam, **common).create(device="cpu")


def weights(agent: Agent) -> str:
    """Computes a digest of all weights."""
    impl = agent.impl
    assert impl is not None
    state = impl.modules.get_checkpointable()
    digest = hashlib.sha256()
    for name in sorted(state):
        module = state[name]
        if hasattr(module, "parameters"):
            for parameter in module.parameters():
                digest.update(parameter.detach().numpy().tobytes())
    return digest.hexdigest()


def train(run: Run) -> dict[str, Any]:
    """Trains the agent; returns its curve, its weights' digest and the buffer's figures."""
    cell, share = run.cell, ARMS[run.arm]
    d3rlpy.seed(run.seed)
    env = gym.make(cell.env_id)
    env.reset(seed=run.seed)
    rows: Any = to_replay_buffer(
        data(cell.env_id, cell.rows, run.seed), TransitionSpec(env.observation_space, env.action_space)
    )
    if share is not None:
        rows = SyntheticReplayBuffer.wrap(
            rows,
            env=env,
            real_ratio="auto" if share == "auto" else 1 - share,
            generator=generator("default", cell.env_id, cell.rows, run.seed),
            extra_columns=(),
            seed=run.seed,
            progress=False,
        )
    agent, evaluator = make(cell.algorithm), EnvironmentEvaluator(env, n_trials=cell.episodes)
    every = cell.updates // EVALUATIONS
    history = agent.fit(
        rows,
        n_steps=cell.updates,
        n_steps_per_epoch=every,
        save_interval=cell.updates,
        evaluators={"return": evaluator},
        show_progress=False,
        logger_adapter=NoopAdapterFactory(),
    )
    curve = [normalized(cell.env_id, metrics["return"]) for _, metrics in history]
    stats = None if share is None else rows.stats.to_dict()
    return {"curve": curve, "weights": weights(agent), "stats": stats}
