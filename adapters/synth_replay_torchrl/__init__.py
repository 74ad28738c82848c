"""TorchRL adapter: ``from synth_replay_torchrl import SyntheticReplayBuffer, CFGMixedBuffer``."""

from synth_replay.plugins import require_extra

require_extra("torchrl", "torchrl")

from synth_replay_torchrl.cfg_mixed import CFGMixedBuffer  # noqa: E402
from synth_replay_torchrl.synthetic import SyntheticReplayBuffer  # noqa: E402

__all__ = ["CFGMixedBuffer", "SyntheticReplayBuffer"]
