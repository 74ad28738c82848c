"""d3rlpy adapter: wrap a dataset, and any Q-learning algorithm learns from generated transitions as well."""

from synth_replay.plugins import require_extra

require_extra("d3rlpy", "d3rlpy")

from synth_replay_d3rlpy.cfg_mixed import CFGMixedBuffer  # noqa: E402
from synth_replay_d3rlpy.conversion import infer_spaces, to_transitions  # noqa: E402
from synth_replay_d3rlpy.episodes import to_replay_buffer  # noqa: E402
from synth_replay_d3rlpy.pixels.augmented import AugmentedReplayBuffer  # noqa: E402
from synth_replay_d3rlpy.pixels.drq_bc import DrQBC, DrQBCConfig  # noqa: E402
from synth_replay_d3rlpy.pixels.encoding import encode_buffer  # noqa: E402
from synth_replay_d3rlpy.pixels.factories import LatentEncoderFactory, TrunkEncoderFactory  # noqa: E402
from synth_replay_d3rlpy.pixels.latents import encoder_of, latent_agent, transplant  # noqa: E402
from synth_replay_d3rlpy.pixels.pixel_buffer import PixelReplayBuffer  # noqa: E402
from synth_replay_d3rlpy.synthetic import SyntheticReplayBuffer  # noqa: E402

__all__ = [
    "AugmentedReplayBuffer",
    "CFGMixedBuffer",
    "DrQBC",
    "DrQBCConfig",
    "LatentEncoderFactory",
    "PixelReplayBuffer",
    "SyntheticReplayBuffer",
    "TrunkEncoderFactory",
    "encode_buffer",
    "encoder_of",
    "infer_spaces",
    "latent_agent",
    "to_replay_buffer",
    "to_transitions",
    "transplant",
]
