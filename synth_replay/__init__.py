"""Drop-in replay buffers that learn a diffusion model of an agent's transitions."""

from synth_replay.config import GeneratorConfig
from synth_replay.evaluation import FidelityScores, evaluate
from synth_replay.generator import TransitionGenerator
from synth_replay.plugins import available_adapters, load_adapter
from synth_replay.transitions import Transitions, TransitionSpec

__version__ = "0.1.0"
__all__ = [
    "FidelityScores",
    "GeneratorConfig",
    "TransitionGenerator",
    "TransitionSpec",
    "Transitions",
    "__version__",
    "available_adapters",
    "evaluate",
    "load_adapter",
]
