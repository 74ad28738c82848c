"""The interface of a generator, as a buffer uses it, and how one is made from a buffer's argument."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import torch
from gymnasium import spaces

from synth_replay.augment import STATE_AUGMENTATIONS, StateAugmentation
from synth_replay.buffers.sources import Mixture
from synth_replay.errors import ConfigError, UnsupportedSpaceError
from synth_replay.generator.config import GeneratorConfig
from synth_replay.generator.generator import TransitionGenerator
from synth_replay.transitions import Transitions, TransitionSpec

GeneratorArgument = str | Path | GeneratorConfig | None
"""A preset, a configuration or its file, a saved generator's folder, a state augmentation; None for the default."""


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
) -> RowGenerator:
    """Loads, configures or names a generator.

    Args:
        observation_space: Observation space of the environment.
        action_space: Action space of the environment.
        generator: Folder of a saved generator, preset, configuration or its file, name of a state augmentation,
            or None for the device's preset.
        seed: Seed of every draw.
        device: Device that fits and samples.

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
) -> RowGenerator:
    """Makes the generator of a mixture; a :class:`NoGenerator` for real rows alone whose spaces cannot be modelled.

    Raises:
        ConfigError: If ``generator`` cannot be used.
        SpecMismatchError: If a saved generator is of another environment.
        UnsupportedSpaceError: If a space cannot be modelled, and rows are to be generated.
    """
    try:
        return make_generator(observation_space, action_space, generator, seed, device)
    except UnsupportedSpaceError as error:
        if not mixture.rule.never:
            raise
        return NoGenerator(error)


def fit_steps(generator: RowGenerator, steps: int | None) -> int | None:
    """Returns the largest number of gradient steps of a fit, over all its networks; None if it has no such steps.

    Args:
        generator: The generator.
        steps: Gradient steps of the diffusion model, instead of the configuration's.
    """
    if not isinstance(generator, TransitionGenerator):
        return None
    relabel = generator.config.relabel
    supervised = relabel.steps if relabel.enabled and relabel.function is None else 0
    return (generator.config.training.steps if steps is None else steps) + supervised


def labels_of(generator: RowGenerator) -> list[int | str]:
    """Returns the labels that a generator was fitted with; none for a state augmentation."""
    return generator.labels if isinstance(generator, TransitionGenerator) else []


def suit(generator: RowGenerator, mixture: Mixture, guidance_weight: float | None) -> None:
    """Sets the guidance, if a mixture has labels, and checks that the generator can serve the mixture.

    Raises:
        ConfigError: If it cannot, or a weight is given for a mixture without labels.
    """
    if not mixture.labelled:
        _suit_unlabelled(generator, mixture, guidance_weight)
        return
    if not isinstance(generator, TransitionGenerator):
        raise ConfigError(
            f"generation={mixture.name!r} needs a generator with labels: a preset, configuration or folder."
        )
    if guidance_weight is not None:
        generator.set_guidance_weight(guidance_weight)
    if generator.fitted and not {store.label for store in mixture.stores} & set(generator.labels):
        raise ConfigError(
            f"The saved generator was fitted with the labels {generator.labels}; generation={mixture.name!r} needs "
            "'online' or 'offline' among them."
        )


def _suit_unlabelled(generator: RowGenerator, mixture: Mixture, guidance_weight: float | None) -> None:
    if guidance_weight is not None:
        raise ConfigError(f"guidance_weight is for generation='conditional', not {mixture.name!r}.")
    if mixture.real_sources > 1 and mixture.stores and (labels := labels_of(generator)):
        raise ConfigError(
            f"The saved generator was fitted with the labels {labels}; generation={mixture.name!r} would mix them."
        )
