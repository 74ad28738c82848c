"""The generator's configurations, presets and loss records.

:class:`synth_replay.TransitionGenerator` is imported from the top-level package, so that configurations stay quick to
import.
"""

from synth_replay.codec.config import CodecConfig
from synth_replay.diffusion.config import NetworkConfig, NoiseConfig, SamplerConfig, TrainingConfig
from synth_replay.diffusion.guidance import GuidanceConfig
from synth_replay.diffusion.training import LossRecord
from synth_replay.generator.config import (
    CPU,
    FAST,
    MIN_ROWS,
    PAPER,
    PRESETS,
    GeneratorConfig,
    RelabelConfig,
    resolve_config,
)
from synth_replay.generator.one_step_config import ForwardConfig, OneStepConfig

__all__ = [
    "CPU",
    "FAST",
    "MIN_ROWS",
    "PAPER",
    "PRESETS",
    "CodecConfig",
    "ForwardConfig",
    "GeneratorConfig",
    "GuidanceConfig",
    "LossRecord",
    "NetworkConfig",
    "NoiseConfig",
    "OneStepConfig",
    "RelabelConfig",
    "SamplerConfig",
    "TrainingConfig",
    "resolve_config",
]
