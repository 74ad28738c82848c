"""Transitions to rows of numbers and back: scales, conditions, labels, principal axes."""

from synth_replay.codec.codec import TransitionCodec
from synth_replay.codec.labels import LabelEncoder

__all__ = ["LabelEncoder", "TransitionCodec"]
