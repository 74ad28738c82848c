"""What Stable-Baselines3's tests import from its module of buffers, with ours in the place of its replay buffers."""

from stable_baselines3.common import buffers
from stable_baselines3.common.buffers import *  # noqa: F403
from stable_baselines3.common.buffers import DictRolloutBuffer, RolloutBuffer  # noqa: F401

from synth_replay_sb3 import SyntheticReplayBuffer as ReplayBuffer
from synth_replay_sb3.variants import over

DictReplayBuffer = over(ReplayBuffer, buffers.DictReplayBuffer)
NStepReplayBuffer = over(ReplayBuffer, buffers.NStepReplayBuffer)

OURS = {"ReplayBuffer": ReplayBuffer, "DictReplayBuffer": DictReplayBuffer, "NStepReplayBuffer": NStepReplayBuffer}
