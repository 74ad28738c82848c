"""Settings of the relabelling of generated rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pkgutil import resolve_name
from typing import Any

from synth_replay.errors import ConfigError
from synth_replay.spaces import Array

RewardFunction = Callable[[Any, Any, Any], tuple[Array, Array]]


@dataclass(frozen=True)
class RelabelConfig:
    """Rewards and terminations of generated rows from a supervised model, or from the user's function.

    Attributes:
        enabled: Relabel generated rows with a model p(r, d | s, a, s') that is fitted beside the denoiser.
        function: Import path ``module:name`` of a function (observations, actions, next_observations) ->
            (rewards, terminations) of whole arrays, used instead of a model where the task's are known
            (``RelabelConfig.by(function)`` makes the path).
        width: Hidden units of the model's two layers.
        steps: Gradient steps of its fit.
        batch_size: Rows of a batch.
        learning_rate: Peak rate of AdamW, annealed to zero by a cosine.
        weight_decay: AdamW's decoupled weight decay.
        input_noise: Standard deviation of noise on the inputs in training, in their standard deviations: the model
            must bear the small errors of generated rows.
        threshold: A row whose termination is at least this probable is terminal. Precision and recall of the
            simulator's terminations are about equal at 0.4 (Hopper-v5, 0.7 % terminations).
        redraws: How often a row is drawn again, under its own conditions, while its end by the model or function
            contradicts the end that was drawn for it. So as many rows end as in the data, and they end where the
            task does. 0 keeps every row.
        max_levels: A reward that takes at most so many distinct values is rounded to them.
    """

    enabled: bool = False
    function: str | None = None
    width: int = 256
    steps: int = 8_000
    batch_size: int = 256
    learning_rate: float = 2e-3
    weight_decay: float = 1e-4
    input_noise: float = 0.01
    threshold: float = 0.4
    redraws: int = 4
    max_levels: int = 16

    def __post_init__(self) -> None:
        for name in ("width", "steps", "batch_size", "learning_rate", "max_levels"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"RelabelConfig.{name} must be positive, not {getattr(self, name)!r}.")
        if self.redraws < 0:
            raise ConfigError(f"RelabelConfig.redraws must not be negative; got {self.redraws}.")
        if self.input_noise < 0 or self.weight_decay < 0 or not 0 < self.threshold < 1:
            raise ConfigError("RelabelConfig: input_noise, weight_decay must not be negative; threshold is in (0, 1).")

    @classmethod
    def by(cls, function: RewardFunction) -> RelabelConfig:
        """Relabelling by a function of (observations, actions, next_observations), each a whole array of rows.

        Args:
            function: Returns rewards ``[n]`` and terminations ``[n]``. Configurations are saved, so it is kept by its
                import path and must be defined at the top level of a module.

        Raises:
            ConfigError: If it cannot be imported by its name (a lambda, a closure).
        """
        return cls(function=_import_path(function))


def _import_path(function: RewardFunction) -> str:
    path = f"{getattr(function, '__module__', '?')}:{getattr(function, '__qualname__', '?')}"
    try:
        found = resolve_name(path)
    except (ImportError, AttributeError, ValueError):
        found = None
    if found is not function:
        raise ConfigError(
            f"RelabelConfig.function {path} cannot be imported by that name: define it at the top level of a module "
            "(no lambda, no closure), since the configuration is saved with the generator."
        )
    return path


def resolve_function(path: str) -> RewardFunction:
    """The function that ``module:name`` names.

    Raises:
        ConfigError: If there is no such function.
    """
    try:
        found = resolve_name(path)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(f"relabel.function {path!r} cannot be imported as 'module:name': {error}") from error
    if not callable(found):
        raise ConfigError(f"relabel.function {path!r} is not a function.")
    function: RewardFunction = found
    return function
