"""What a buffer asks of the thing that makes its synthetic rows, and how it is made from an argument."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import torch
from gymnasium import spaces

from synth_replay.augment import STATE_AUGMENTATIONS, StateAugmentation
from synth_replay.generator.config import GeneratorConfig
from synth_replay.generator.generator import TransitionGenerator
from synth_replay.transitions import Transitions, TransitionSpec


class TransitionModel(Protocol):
    """Learns from real rows, gives synthetic ones."""

    spec: TransitionSpec

    @property
    def fitted(self) -> bool:
        """Whether ``sample`` can be called."""
        ...

    @property
    def store_rows(self) -> int:
        """Synthetic rows that a buffer keeps by default."""
        ...

    @property
    def holdout_loss(self) -> float:
        """Held-out loss of the last fit; NaN where there is none."""
        ...

    def fit(
        self,
        transitions: Transitions,
        *,
        steps: int | None = None,
        labels: Any = None,
        warm_start: bool = False,
        progress: bool | None = None,
    ) -> object:
        """Learns from real rows."""
        ...

    def sample(self, num_samples: int, *, label: Any = None, progress: bool | None = False) -> Transitions:
        """Draws synthetic rows, of a label if rows were fitted with labels."""
        ...


def make_model(
    observation_space: spaces.Space[Any],
    action_space: spaces.Space[Any],
    generator: str | Path | GeneratorConfig | None,
    seed: int,
    device: str | torch.device,
) -> TransitionModel:
    """Loads, configures or names a model.

    Args:
        observation_space: The environment's.
        action_space: The environment's.
        generator: Folder of a saved generator, preset, configuration or its file, name of a state augmentation,
            or None for the device's preset.
        seed: Seed of everything that it draws.
        device: Where a generator runs.

    Raises:
        ConfigError: If ``generator`` is none of these.
        SpecMismatchError: If a saved generator is of another environment.
    """
    if isinstance(generator, str) and generator in STATE_AUGMENTATIONS:
        return StateAugmentation(observation_space, action_space, generator, seed)
    if isinstance(generator, (str, Path)) and Path(generator).is_dir():
        loaded = TransitionGenerator.load(generator, device)
        loaded.require(observation_space, action_space)
        loaded.reseed(seed)
        return loaded
    return TransitionGenerator(observation_space, action_space, generator, seed, device)
