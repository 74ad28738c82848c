"""What Stable-Baselines3's tests import from its module of buffers, with ours in the place of its replay buffers."""

from stable_baselines3.common.buffers import *  # noqa: F403
from stable_baselines3.common.buffers import DictRolloutBuffer, RolloutBuffer  # noqa: F401

from synth_replay_sb3.synthetic import DictSyntheticReplayBuffer as DictReplayBuffer
from synth_replay_sb3.synthetic import NStepSyntheticReplayBuffer as NStepReplayBuffer
from synth_replay_sb3.synthetic import SyntheticReplayBuffer as ReplayBuffer

OURS = {"ReplayBuffer": ReplayBuffer, "DictReplayBuffer": DictReplayBuffer, "NStepReplayBuffer": NStepReplayBuffer}
