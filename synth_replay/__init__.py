"""Drop-in replay buffers that learn a diffusion model of an agent's transitions."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from synth_replay.evaluation import FidelityScores, evaluate
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
    "FidelityScores": "evaluation",
    "GeneratorConfig": "generator.config",
    "TransitionGenerator": "generator.generator",
    "TransitionSpec": "transitions",
    "Transitions": "transitions",
    "available_adapters": "plugins",
    "evaluate": "evaluation",
    "load_adapter": "plugins",
}

if not TYPE_CHECKING:  # a checker would take any name for one of this module

    def __getattr__(name: str) -> Any:
        """Imports what is asked for, so that the command line is there, and heeds Ctrl-C, before torch is."""
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
