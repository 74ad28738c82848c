"""The map between transitions and rows of numbers: scales, conditions, labels, principal axes."""

from synth_replay.codec.codec import TransitionCodec
from synth_replay.codec.labels import LabelEncoder

__all__ = ["LabelEncoder", "TransitionCodec"]
