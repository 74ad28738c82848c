"""What only some generators of a buffer have or need: labels, a relevance, a policy."""

from __future__ import annotations

from synth_replay.buffers.generators import RowGenerator
from synth_replay.buffers.real_rows import Groups, Split, together
from synth_replay.buffers.sources import Mixture
from synth_replay.errors import ConfigError
from synth_replay.generator.config import GeneratorConfig
from synth_replay.generator.generator import TransitionGenerator
from synth_replay.generator.one_step import OneStepModel, Policy
from synth_replay.generator.prompted import PromptedGenerator


def fit_steps(generator: RowGenerator, steps: int | None) -> int | None:
    """Returns the largest number of gradient steps of a fit; None if it has no such steps.

    The models of a relevance are not counted.

    Args:
        generator: The generator.
        steps: Gradient steps of the diffusion model, instead of the configuration's.
    """
    if isinstance(generator, OneStepModel):
        states = generator.config.states
        first = 0 if states is None else _steps_of(states, None)
        return first + (generator.config.forward.steps if steps is None else steps) + generator.config.rewards.steps
    if isinstance(generator, PromptedGenerator):
        generator = generator.inner
    if not isinstance(generator, TransitionGenerator):
        return None
    return _steps_of(generator.config, steps)


def _steps_of(config: GeneratorConfig, steps: int | None) -> int:
    supervised = config.relabel.steps if config.relabel.enabled and config.relabel.function is None else 0
    return (config.training.steps if steps is None else steps) + supervised


def labels_of(generator: RowGenerator) -> list[int | str]:
    """Returns the labels that a generator was fitted with; none for a state augmentation."""
    return generator.labels if isinstance(generator, TransitionGenerator) else []


def give_policy(generator: RowGenerator, policy: Policy) -> None:
    """Gives a one-step model the policy whose actions its rollouts have; other generators need none."""
    if isinstance(generator, OneStepModel):
        generator.act_with(policy)


def require_ready(generator: RowGenerator) -> None:
    """Checks that a generator has what it needs before it is fitted.

    Raises:
        ConfigError: If a one-step model has no policy.
    """
    if isinstance(generator, OneStepModel):
        generator.require_policy()


def figures_of(generator: RowGenerator) -> dict[str, float]:
    """Returns further figures of a buffer's statistics that only some generators have, by name."""
    return generator.figures if isinstance(generator, PromptedGenerator) else {}


def learn_score(generator: RowGenerator, groups: Groups) -> None:
    """Lets a generator that came from files know which real rows have a high relevance; others need nothing."""
    if isinstance(generator, PromptedGenerator) and groups:
        generator.learn_score(together(groups))


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
