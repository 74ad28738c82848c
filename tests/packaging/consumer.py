"""What a user writes, for the type checkers."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
from stable_baselines3 import SAC

from synth_replay import FidelityScores, GeneratorConfig, TransitionGenerator, Transitions, TransitionSpec, evaluate
from synth_replay.buffers import LinearSchedule, SynthesisStats
from synth_replay.buffers import SyntheticReplayBuffer as PlainBuffer
from synth_replay.datasets import open_dataset
from synth_replay.errors import SynthReplayError
from synth_replay.generator import CPU
from synth_replay_d3rlpy import to_replay_buffer
from synth_replay_sb3 import CFGMixedBuffer, SyntheticReplayBuffer, SyntheticReplayCallback


def generated(path: str, config: GeneratorConfig = CPU) -> Transitions:
    env = gym.make("Pendulum-v1")
    rows: Transitions = open_dataset(path).read()
    generator = TransitionGenerator(env.observation_space, env.action_space, config, seed=0)
    generator.fit(rows)
    made: Transitions = generator.sample(1_000)
    scores: FidelityScores = evaluate(rows, made, env)
    marginal: float = scores.marginal
    assert marginal >= 0
    return made


def learn(offline: str) -> SynthesisStats:
    model = SAC("MlpPolicy", "Pendulum-v1", replay_buffer_class=SyntheticReplayBuffer)
    model.learn(1_000, callback=SyntheticReplayCallback())
    options = {"offline": offline, "synthetic_ratio": LinearSchedule(0.5, 0.0, 10_000)}
    SAC("MlpPolicy", "Pendulum-v1", replay_buffer_class=CFGMixedBuffer, replay_buffer_kwargs=options)
    buffer = model.replay_buffer
    assert isinstance(buffer, SyntheticReplayBuffer)
    return buffer.stats


def loop() -> np.ndarray:
    env = gym.make("Pendulum-v1")
    buffer = PlainBuffer(1_000, env.observation_space, env.action_space, real_ratio=0.5)
    observation, _ = env.reset()
    action = env.action_space.sample()
    after, reward, terminated, truncated, _ = env.step(action)
    try:
        buffer.add(observation, action, reward, after, terminated, truncated)
    except SynthReplayError as error:
        raise SystemExit(str(error)) from error
    rows = buffer.sample(8)
    to_replay_buffer(rows, TransitionSpec(env.observation_space, env.action_space))
    return np.asarray(rows.rewards)
