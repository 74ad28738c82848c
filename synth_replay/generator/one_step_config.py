"""Settings of the one-step model."""

from __future__ import annotations

from dataclasses import dataclass, field

from synth_replay.errors import ConfigError
from synth_replay.generator.config import GeneratorConfig, RelabelConfig


@dataclass(frozen=True)
class ForwardConfig:
    """Size and training of a forward model, an ensemble of Gaussian networks p(s' | s, a).

    Attributes:
        members: Networks of the ensemble; if there are several, each learns from its own bootstrap sample of the rows.
        width: Units of the two hidden layers.
        steps: Gradient steps.
        batch_size: Rows of each network's batch.
        learning_rate: Peak rate of AdamW, annealed to zero by a cosine.
        weight_decay: AdamW's decoupled weight decay.

    Raises:
        ConfigError: If a value other than ``weight_decay`` is not positive, or that is negative.
    """

    members: int = 5
    width: int = 128
    steps: int = 3_000
    batch_size: int = 256
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not (value > 0 or (name == "weight_decay" and value == 0)):
                raise ConfigError(f"ForwardConfig.{name} must be positive, not {value!r}.")


@dataclass(frozen=True)
class OneStepConfig:
    """Settings of model rollouts of one step from real states: ``generator=OneStepConfig()`` in any buffer.

    ``generator="one_step_model"`` stands for the defaults.

    Attributes:
        states: Generator of the states that rollouts start from, and of the rows that the model learns from; None takes
            the real rows for both.
        forward: The model p(s' | s, a).
        rewards: The model p(r, d | s, a, s'), or the task's own function of s, a and s'.
        store_rows: Rows that a buffer keeps by default.

    Raises:
        ConfigError: If ``rewards`` is neither enabled nor a function.
    """

    states: GeneratorConfig | None = None
    forward: ForwardConfig = field(default_factory=ForwardConfig)
    rewards: RelabelConfig = field(default_factory=lambda: RelabelConfig(enabled=True, steps=3_000))
    store_rows: int = 50_000

    def __post_init__(self) -> None:
        if not self.rewards.enabled and self.rewards.function is None:
            raise ConfigError("OneStepConfig.rewards needs enabled=True or a function.")
