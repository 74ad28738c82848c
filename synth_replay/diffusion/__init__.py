"""EDM diffusion over rows of numbers (Karras et al. 2022), the model of SynthER's Appendix B.

Nothing here knows what a transition is.
"""

from synth_replay.diffusion.config import NetworkConfig, NoiseConfig, SamplerConfig, TrainingConfig
from synth_replay.diffusion.guidance import GuidanceConfig, LabelColumns
from synth_replay.diffusion.network import ResidualMLP
from synth_replay.diffusion.plausibility import residual
from synth_replay.diffusion.preconditioning import Denoiser
from synth_replay.diffusion.samplers import sample
from synth_replay.diffusion.training import DenoiserTrainer

__all__ = [
    "Denoiser",
    "DenoiserTrainer",
    "GuidanceConfig",
    "LabelColumns",
    "NetworkConfig",
    "NoiseConfig",
    "ResidualMLP",
    "SamplerConfig",
    "TrainingConfig",
    "residual",
    "sample",
]
