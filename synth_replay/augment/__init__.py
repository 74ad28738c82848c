"""Explicit data augmentation: what the papers compare generation with."""

from synth_replay.augment.states import (
    STATE_AUGMENTATIONS,
    StateAugmentation,
    additive_noise,
    dynamics_noise,
    multiplicative_noise,
)

__all__ = ["STATE_AUGMENTATIONS", "StateAugmentation", "additive_noise", "dynamics_noise", "multiplicative_noise"]
