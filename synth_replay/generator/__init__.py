"""Configurations and presets of :class:`synth_replay.TransitionGenerator`."""

from synth_replay.codec.config import CodecConfig
from synth_replay.diffusion.config import NetworkConfig, NoiseConfig, SamplerConfig, TrainingConfig
from synth_replay.diffusion.guidance import GuidanceConfig
from synth_replay.generator.config import CPU, FAST, PAPER, PRESETS, GeneratorConfig
from synth_replay.generator.relabel_config import RelabelConfig

__all__ = [
    "CPU",
    "FAST",
    "PAPER",
    "PRESETS",
    "CodecConfig",
    "GeneratorConfig",
    "GuidanceConfig",
    "NetworkConfig",
    "NoiseConfig",
    "RelabelConfig",
    "SamplerConfig",
    "TrainingConfig",
]
