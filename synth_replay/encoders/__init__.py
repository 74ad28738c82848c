"""Frozen encoders, which turn pixels into latents that can be modelled, generated and learnt from."""

from synth_replay.encoders.architectures import FeatureTowers
from synth_replay.encoders.encoding import Augmenter, encode_transitions
from synth_replay.encoders.frozen import FrozenEncoder, LatentEncoder, cached_encoder
from synth_replay.encoders.layout import LatentLayout
from synth_replay.encoders.module import FrozenModule
from synth_replay.encoders.networks import Architecture, DrQConvolutions, ImpalaConvolutions, Trunk, convolutions
from synth_replay.encoders.observation import LatentObservation

__all__ = [
    "Architecture",
    "Augmenter",
    "DrQConvolutions",
    "FeatureTowers",
    "FrozenEncoder",
    "FrozenModule",
    "ImpalaConvolutions",
    "LatentEncoder",
    "LatentLayout",
    "LatentObservation",
    "Trunk",
    "cached_encoder",
    "convolutions",
    "encode_transitions",
]
