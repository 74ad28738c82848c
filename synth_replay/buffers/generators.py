"""The interface of a generator, as a buffer uses it, and how one is made from a buffer's argument."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import torch
from gymnasium import spaces

from synth_replay.augment import STATE_AUGMENTATIONS, StateAugmentation
from synth_replay.buffers.sources import Mixture
from synth_replay.errors import ConfigError, UnsupportedSpaceError
from synth_replay.generator.config import GeneratorConfig, resolve_config
from synth_replay.generator.generator import TransitionGenerator
from synth_replay.generator.one_step import OneStepModel
from synth_replay.generator.one_step_config import OneStepConfig
from synth_replay.generator.prompted import PromptedGenerator, with_labels_dropped
from synth_replay.generator.relevance import Relevance, RelevanceName
from synth_replay.runtime import resolve_device
from synth_replay.transitions import Transitions, TransitionSpec

ONE_STEP = "one_step_model"

GeneratorArgument = str | Path | GeneratorConfig | OneStepConfig | None
"""A preset, a configuration or its file, a saved generator's folder, a state augmentation, a one-step model; None for
the default."""

RelevanceArgument = RelevanceName | Callable[[Transitions], Any] | Relevance | None
"""Name of a score, a function of transitions, or a ``Relevance`` with settings."""


class RowGenerator(Protocol):
    """Learns from real rows and samples synthetic ones."""

    @property
    def spec(self) -> TransitionSpec:
        """Layout of the rows."""
        ...

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
        """Samples synthetic rows, of one label if the rows were fitted with labels."""
        ...

    def widen_actions(self, action_space: spaces.Box) -> None:
        """Takes wider bounds of the actions from now on."""
        ...


def make_generator(
    observation_space: spaces.Space[Any],
    action_space: spaces.Space[Any],
    generator: GeneratorArgument,
    seed: int,
    device: str | torch.device,
    relevance: RelevanceArgument = None,
) -> RowGenerator:
    """Loads, configures or names a generator.

    Args:
        observation_space: Observation space of the environment.
        action_space: Action space of the environment.
        generator: Folder of a saved generator, preset, configuration or its file, name of a state augmentation,
            or None for the device's preset.
        seed: Seed of every draw.
        device: Device that fits and samples.
        relevance: Score whose highest values the generator is asked for; None asks for rows like the fitted ones.

    Raises:
        ConfigError: If ``generator`` or ``relevance`` is none of these.
        SpecMismatchError: If a saved generator is of another environment.
    """
    if relevance is not None:
        return _prompted(observation_space, action_space, generator, seed, device, relevance)
    if isinstance(generator, str) and generator in STATE_AUGMENTATIONS:
        return StateAugmentation(observation_space, action_space, generator, seed)
    if isinstance(generator, OneStepConfig) or generator == ONE_STEP:
        settings = generator if isinstance(generator, OneStepConfig) else OneStepConfig()
        return OneStepModel(observation_space, action_space, settings, seed, device)
    return _diffusion(observation_space, action_space, generator, seed, device)


def _diffusion(
    observation_space: spaces.Space[Any],
    action_space: spaces.Space[Any],
    generator: str | Path | GeneratorConfig | None,
    seed: int,
    device: str | torch.device,
) -> TransitionGenerator:
    if isinstance(generator, (str, Path)) and Path(generator).is_dir():
        loaded = TransitionGenerator.load(generator, device)
        loaded.require(observation_space, action_space)
        loaded.reseed(seed)
        return loaded
    return TransitionGenerator(observation_space, action_space, generator, seed, device)


def _prompted(
    observation_space: spaces.Space[Any],
    action_space: spaces.Space[Any],
    generator: GeneratorArgument,
    seed: int,
    device: str | torch.device,
    relevance: RelevanceArgument,
) -> PromptedGenerator:
    wanted = relevance if isinstance(relevance, Relevance) else Relevance(relevance)  # type: ignore[arg-type]
    if isinstance(generator, OneStepConfig) or generator in (ONE_STEP, *STATE_AUGMENTATIONS):
        raise ConfigError(f"relevance= needs a diffusion model: {generator!r} cannot be asked for rows.")
    if not (isinstance(generator, (str, Path)) and Path(generator).is_dir()):
        config = resolve_config(generator, resolve_device(device))
        generator = with_labels_dropped(config, wanted)
    return PromptedGenerator(_diffusion(observation_space, action_space, generator, seed, device), wanted)


class NoGenerator:
    """Placeholder of the generator in a buffer that never generates and whose spaces cannot be modelled.

    Args:
        error: Why they cannot be modelled. Whatever needs the layout of a row raises it again.
    """

    fitted, store_rows, holdout_loss = False, 1, float("nan")

    def __init__(self, error: UnsupportedSpaceError) -> None:
        self._kind, self._reason = type(error), str(error)

    @property
    def spec(self) -> TransitionSpec:
        """Layout of the rows, which does not exist.

        Raises:
            UnsupportedSpaceError: Always.
        """
        raise self._kind(self._reason)

    def fit(self, transitions: Transitions, **options: Any) -> object:  # noqa: ARG002 - a RowGenerator's signature
        """Raises the error of :attr:`spec`."""
        return self.spec

    def sample(self, num_samples: int, **options: Any) -> Transitions:  # noqa: ARG002
        """Raises the error of :attr:`spec`."""
        raise self._kind(self._reason)

    def widen_actions(self, action_space: spaces.Box) -> None:  # noqa: ARG002
        """Raises the error of :attr:`spec`."""
        raise self._kind(self._reason)


def generator_for(
    mixture: Mixture,
    observation_space: spaces.Space[Any],
    action_space: spaces.Space[Any],
    generator: GeneratorArgument,
    seed: int,
    device: str | torch.device,
    relevance: RelevanceArgument = None,
) -> RowGenerator:
    """Makes the generator of a mixture; a :class:`NoGenerator` for real rows alone whose spaces cannot be modelled.

    Raises:
        ConfigError: If ``generator`` cannot be used.
        SpecMismatchError: If a saved generator is of another environment.
        UnsupportedSpaceError: If a space cannot be modelled, and rows are to be generated.
    """
    try:
        return make_generator(observation_space, action_space, generator, seed, device, relevance)
    except UnsupportedSpaceError as error:
        if not mixture.rule.never:
            raise
        return NoGenerator(error)
