"""EDM diffusion over rows of numbers (Karras et al. 2022), the model of SynthER's Appendix B.

This package knows tensors only; :mod:`synth_replay.codec` turns transitions into rows. Its configurations are public
in :mod:`synth_replay.generator`.
"""

from synth_replay.diffusion.guidance import LabelColumns
from synth_replay.diffusion.network import ResidualMLP
from synth_replay.diffusion.plausibility import residual
from synth_replay.diffusion.preconditioning import Denoiser
from synth_replay.diffusion.samplers import dpmpp_2m, heun_ode, heun_sde, sample
from synth_replay.diffusion.schedules import karras_sigmas, training_sigmas
from synth_replay.diffusion.training import DenoiserTrainer

__all__ = [
    "Denoiser",
    "DenoiserTrainer",
    "LabelColumns",
    "ResidualMLP",
    "dpmpp_2m",
    "heun_ode",
    "heun_sde",
    "karras_sigmas",
    "residual",
    "sample",
    "training_sigmas",
]
