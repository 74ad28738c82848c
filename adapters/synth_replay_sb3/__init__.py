"""Stable-Baselines3 adapter: ``from synth_replay_sb3 import SyntheticReplayBuffer, CFGMixedBuffer``."""

from synth_replay.plugins import require_extra

require_extra("stable_baselines3", "sb3")

from synth_replay_sb3.callbacks import SyntheticReplayCallback  # noqa: E402
from synth_replay_sb3.cfg_mixed import CFGMixedBuffer  # noqa: E402
from synth_replay_sb3.conversion import stored_transitions  # noqa: E402
from synth_replay_sb3.high_ratio import NetworkResets, PolicyDelay  # noqa: E402
from synth_replay_sb3.pixels.augmented import AugmentedReplayBuffer  # noqa: E402
from synth_replay_sb3.pixels.latents import encoder_of, transplant  # noqa: E402
from synth_replay_sb3.pixels.networks import FrozenFeatures  # noqa: E402
from synth_replay_sb3.pixels.policies import LatentDQNPolicy, LatentSACPolicy, LatentTD3Policy  # noqa: E402
from synth_replay_sb3.synthetic import SyntheticReplayBuffer  # noqa: E402

__all__ = [
    "AugmentedReplayBuffer",
    "CFGMixedBuffer",
    "FrozenFeatures",
    "LatentDQNPolicy",
    "LatentSACPolicy",
    "LatentTD3Policy",
    "NetworkResets",
    "PolicyDelay",
    "SyntheticReplayBuffer",
    "SyntheticReplayCallback",
    "encoder_of",
    "stored_transitions",
    "transplant",
]
