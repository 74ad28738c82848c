"""synth_replay's buffer for myhost: ``from synth_replay_myhost import SyntheticReplayBuffer``."""

from synth_replay_myhost.synthetic import SyntheticReplayBuffer

__all__ = ["SyntheticReplayBuffer"]
