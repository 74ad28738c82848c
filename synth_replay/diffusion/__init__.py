"""EDM diffusion over rows of numbers (Karras et al. 2022), the model of SynthER's Appendix B.

This package knows tensors only; :mod:`synth_replay.codec` turns transitions into rows.
"""

from synth_replay.diffusion.config import NetworkConfig, NoiseConfig, SamplerConfig, TrainingConfig
from synth_replay.diffusion.guidance import GuidanceConfig, LabelColumns
from synth_replay.diffusion.network import ResidualMLP
from synth_replay.diffusion.plausibility import residual
from synth_replay.diffusion.preconditioning import Denoiser
from synth_replay.diffusion.samplers import sample
from synth_replay.diffusion.training import DenoiserTrainer, LossRecord

__all__ = [
    "Denoiser",
    "DenoiserTrainer",
    "GuidanceConfig",
    "LabelColumns",
    "LossRecord",
    "NetworkConfig",
    "NoiseConfig",
    "ResidualMLP",
    "SamplerConfig",
    "TrainingConfig",
    "residual",
    "sample",
]
