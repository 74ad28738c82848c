"""The interface of a generator, as a buffer uses it, and how one is made from a buffer's argument."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import torch
from gymnasium import spaces

from synth_replay.augment import STATE_AUGMENTATIONS, StateAugmentation
from synth_replay.buffers.real_rows import Groups, Split
from synth_replay.buffers.sources import Mixture
from synth_replay.errors import ConfigError, UnsupportedSpaceError
from synth_replay.generator.config import GeneratorConfig, resolve_config
from synth_replay.generator.generator import TransitionGenerator
from synth_replay.generator.prompted import PromptedGenerator, with_labels_dropped
from synth_replay.generator.relevance import Relevance, RelevanceName
from synth_replay.runtime import resolve_device
from synth_replay.transitions import Transitions, TransitionSpec

GeneratorArgument = str | Path | GeneratorConfig | None
"""A preset, a configuration or its file, a saved generator's folder, a state augmentation; None for the default."""

RelevanceArgument = RelevanceName | Callable[[Transitions], Any] | Relevance | None
"""What generated rows are to be most relevant for: a name, a function of transitions, or both with their settings."""


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
        relevance: Relevance of the rows to ask for; None asks for rows like the fitted ones.

    Raises:
        ConfigError: If ``generator`` or ``relevance`` is none of these.
        SpecMismatchError: If a saved generator is of another environment.
    """
    if relevance is not None:
        return _prompted(observation_space, action_space, generator, seed, device, relevance)
    if isinstance(generator, str) and generator in STATE_AUGMENTATIONS:
        return StateAugmentation(observation_space, action_space, generator, seed)
    return _diffusion(observation_space, action_space, generator, seed, device)


def _diffusion(
    observation_space: spaces.Space[Any],
    action_space: spaces.Space[Any],
    generator: GeneratorArgument,
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
    if isinstance(generator, str) and generator in STATE_AUGMENTATIONS:
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


def fit_steps(generator: RowGenerator, steps: int | None) -> int | None:
    """Returns the largest number of gradient steps of a fit, over all its networks; None if it has no such steps.

    Args:
        generator: The generator.
        steps: Gradient steps of the diffusion model, instead of the configuration's.
    """
    if isinstance(generator, PromptedGenerator):
        generator = generator.inner
    if not isinstance(generator, TransitionGenerator):
        return None
    relabel = generator.config.relabel
    supervised = relabel.steps if relabel.enabled and relabel.function is None else 0
    return (generator.config.training.steps if steps is None else steps) + supervised


def labels_of(generator: RowGenerator) -> list[int | str]:
    """Returns the labels that a generator was fitted with; none for a state augmentation."""
    return generator.labels if isinstance(generator, TransitionGenerator) else []


def figures_of(generator: RowGenerator) -> dict[str, float]:
    """Returns further figures of a buffer's statistics that only some generators have, by name."""
    return generator.figures if isinstance(generator, PromptedGenerator) else {}


def resembled(generator: RowGenerator, groups: Groups) -> Groups:
    """Returns the real rows of each group that generated ones are to be like: all, or those of high relevance."""
    if not isinstance(generator, PromptedGenerator):
        return groups
    return {name: generator.resembled(rows) for name, rows in groups.items()}


def resembled_parts(generator: RowGenerator, split: Split) -> Split:
    """Returns :func:`resembled` rows among the fitted and among the held-out rows of each source."""
    fitted, held = (resembled(generator, {name: parts[i] for name, parts in split.items()}) for i in (0, 1))
    return {name: (fitted[name], held[name]) for name in split}


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
