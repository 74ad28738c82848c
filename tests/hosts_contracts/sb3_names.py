"""Replaces SB3's module of buffers in its own tests: the same names, with our classes as replay buffers."""

from stable_baselines3.common import buffers
from stable_baselines3.common.buffers import *  # noqa: F403
from stable_baselines3.common.buffers import DictRolloutBuffer, RolloutBuffer  # noqa: F401

from synth_replay_sb3 import SyntheticReplayBuffer as ReplayBuffer
from synth_replay_sb3.variants import over

DictReplayBuffer = over(ReplayBuffer, buffers.DictReplayBuffer)
NStepReplayBuffer = over(ReplayBuffer, buffers.NStepReplayBuffer)

OURS = {"ReplayBuffer": ReplayBuffer, "DictReplayBuffer": DictReplayBuffer, "NStepReplayBuffer": NStepReplayBuffer}
