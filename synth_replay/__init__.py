"""Drop-in replay buffers that learn a diffusion model of an agent's transitions."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from synth_replay.evaluation.scores import FidelityScores, evaluate
    from synth_replay.generator.config import GeneratorConfig
    from synth_replay.generator.generator import TransitionGenerator
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

_HOMES = {
    "FidelityScores": "evaluation.scores",
    "GeneratorConfig": "generator.config",
    "TransitionGenerator": "generator.generator",
    "TransitionSpec": "transitions",
    "Transitions": "transitions",
    "available_adapters": "plugins",
    "evaluate": "evaluation.scores",
    "load_adapter": "plugins",
}

if not TYPE_CHECKING:  # a checker would take any name for one of this module

    def __getattr__(name: str) -> Any:
        """Imports a name when it is first used, so that the command line starts before torch is loaded."""
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
