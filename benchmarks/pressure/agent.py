"""Trains one agent of the study with d3rlpy, and measures along the way what could predict the gain."""

from __future__ import annotations

import hashlib
import sys
import time
import warnings
from dataclasses import asdict, replace
from typing import Any

import gymnasium as gym
import numpy as np

from benchmarks.offline.study import generator, normalized, replay_path
from benchmarks.pressure.study import BATCH, EPISODES, EVERY, LAST_ROWS, Run, run_of

warnings.simplefilter("ignore")

import d3rlpy  # noqa: E402
from d3rlpy.algos import IQLConfig, QLearningAlgoBase, TD3PlusBCConfig  # noqa: E402
from d3rlpy.logging import NoopAdapterFactory  # noqa: E402
from d3rlpy.metrics import EnvironmentEvaluator  # noqa: E402
from d3rlpy.models import VectorEncoderFactory  # noqa: E402
from d3rlpy.preprocessing import MultiplyRewardScaler, StandardObservationScaler  # noqa: E402

from benchmarks.offline.agent import REWARD_SCALE, FusedAdamFactory  # noqa: E402
from benchmarks.runner import save  # noqa: E402
from synth_replay import TransitionGenerator, Transitions, TransitionSpec  # noqa: E402
from synth_replay.buffers.validation import compare  # noqa: E402
from synth_replay_d3rlpy import SyntheticReplayBuffer, to_replay_buffer  # noqa: E402

Agent = QLearningAlgoBase[Any, Any]
GAMMA = 0.99


def make(run: Run) -> Agent:
    """Creates the algorithm with d3rlpy's defaults except for its size, fused Adam and the usual scaling."""
    layers = [run.width, run.width]
    actor = VectorEncoderFactory(layers)
    critic = VectorEncoderFactory(layers, use_layer_norm=run.layer_norm)
    common: dict[str, Any] = {"batch_size": BATCH, "gamma": GAMMA, "observation_scaler": StandardObservationScaler()}
    common |= {"actor_encoder_factory": actor, "critic_encoder_factory": critic}
    common |= {"actor_optim_factory": FusedAdamFactory(), "critic_optim_factory": FusedAdamFactory()}
    if run.algorithm == "td3bc":
        return TD3PlusBCConfig(**common).create(device="cpu")
    scaler = MultiplyRewardScaler(REWARD_SCALE[run.env_id])
    return IQLConfig(value_encoder_factory=critic, reward_scaler=scaler, **common).create(device="cpu")


def rows_of(run: Run) -> tuple[Transitions, Transitions]:
    """Returns the real rows of a run, as in :func:`benchmarks.offline.study.data`, and held-out ones."""
    replay = Transitions(**dict(np.load(replay_path(run.env_id))))
    order = np.random.default_rng(run.seed).permutation(len(replay))
    real, held = replay[order[: run.rows]], replay[order[-LAST_ROWS:]]
    return replace(real, truncations=None), replace(held, truncations=None)


def digest(rows: Transitions) -> str:
    """Computes a short digest of the rows, which tells runs on replays of different machines apart."""
    found = hashlib.sha256()
    for array in rows.leaves().values():
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()[:12]


def td_error(agent: Agent, rows: Transitions, reward_scale: float) -> float:
    """Computes the mean squared error of the critics' mean against their own one-step target with the policy's action.

    d3rlpy's values are of scaled rewards.
    """
    before, after = (np.asarray(a, np.float32) for a in (rows.observations, rows.next_observations))
    values = agent.predict_value(before, np.asarray(rows.actions, np.float32))
    following = agent.predict_value(after, agent.predict(after))
    target = reward_scale * rows.rewards.reshape(-1) + GAMMA * (1 - rows.terminations.reshape(-1)) * following
    return float(np.mean((values - target) ** 2))


def fidelity(run: Run, real: Transitions, held: Transitions) -> float:
    """Computes the generator's marginal on held-out rows, as a share of what the real rows reach."""
    made = TransitionGenerator.load(generator("default", run.env_id, run.rows, run.seed)).sample(len(held))
    return compare(held, real, made, np.random.default_rng(0)).ratio


def buffer(run: Run, real: Transitions, env: gym.Env[Any, Any]) -> SyntheticReplayBuffer:
    """Creates the buffer of a run."""
    return SyntheticReplayBuffer.wrap(
        to_replay_buffer(real, TransitionSpec(env.observation_space, env.action_space)),
        env=env,
        real_ratio=1 - run.share,
        generator=generator("default", run.env_id, run.rows, run.seed) if run.share else None,
        extra_columns=(),
        seed=run.seed,
        progress=False,
    )


def train(run: Run) -> dict[str, Any]:
    """Trains the agent; returns a point of its curve for each evaluation."""
    d3rlpy.seed(run.seed)
    env = gym.make(run.env_id)
    env.reset(seed=run.seed)
    real, held = rows_of(run)
    rows, agent = buffer(run, real, env), make(run)
    evaluator = EnvironmentEvaluator(env, n_trials=EPISODES[run.env_id])
    scale = 1.0 if run.algorithm == "td3bc" else REWARD_SCALE[run.env_id]
    curve: list[dict[str, float]] = []

    def evaluate(agent: Agent, epoch: int, step: int) -> None:  # noqa: ARG001 - d3rlpy's signature
        if step in run.evaluations:
            point = {"updates": step, "score": normalized(run.env_id, evaluator(agent, rows))}
            errors = {"td_train": td_error(agent, real, scale), "td_held_out": td_error(agent, held, scale)}
            curve.append(point | errors)

    started = time.perf_counter()
    lengths = {"n_steps": run.updates, "n_steps_per_epoch": EVERY, "save_interval": run.updates}
    quiet: dict[str, Any] = {"show_progress": False, "logger_adapter": NoopAdapterFactory()}
    agent.fit(rows, epoch_callback=evaluate, **lengths, **quiet)
    found = {"fidelity": fidelity(run, real, held)} if run.share else {}
    found |= {"data": digest(real)}
    return asdict(run) | found | {"seconds": round(time.perf_counter() - started, 1), "curve": curve}


def main() -> None:
    """Makes one run: ``python -m benchmarks.pressure.agent NAME``, the name of a result file."""
    run = run_of(sys.argv[1])
    found = train(run)
    save(run, found)
    print(run.path.stem, f"{found['seconds']:.0f} s", *(f"{point['score']:.1f}" for point in found["curve"]))


if __name__ == "__main__":
    main()
