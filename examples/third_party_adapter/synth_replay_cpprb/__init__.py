"""synth_replay's buffer for cpprb: ``from synth_replay_cpprb import SyntheticReplayBuffer``."""

from synth_replay_cpprb.synthetic import SyntheticReplayBuffer

__all__ = ["SyntheticReplayBuffer"]
