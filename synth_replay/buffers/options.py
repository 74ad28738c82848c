"""The options of every buffer, in one place: their types, their texts, and the engine that they make."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from typing import Any, TypedDict, TypeVar, Unpack, get_type_hints

import torch
from gymnasium import spaces

from synth_replay.buffers.auto_share import AutoRatio
from synth_replay.buffers.engine import SynthesisEngine
from synth_replay.buffers.generated_share import Ratio
from synth_replay.buffers.generators import GeneratorArgument, RelevanceArgument
from synth_replay.buffers.mixing import PlanName
from synth_replay.buffers.refresh import Refit, RefreshMode
from synth_replay.buffers.sources import Generation, four_sources, two_sources


class EngineOptions(TypedDict, total=False):
    """Keyword arguments that all buffers take.

    Attributes:
        refresh_every: Environment steps between two refits; 10,000 by default. (CFDG: 10,000 with APL, 100,000 with IQL
            and PEX.)
        generator: Preset (``paper``, ``fast``, ``cpu``), configuration or its file, or the folder of a saved
            generator; None takes ``fast`` on a GPU and ``cpu`` on a CPU. Baselines: ``additive_noise``,
            ``multiplicative_noise``, ``dynamics_noise`` (real rows with noise) and ``one_step_model`` (one-step model
            rollouts with the current policy's actions).
        store_rows: Generated rows that are kept, and replaced at each refresh; None takes the preset's.
        refit: ``scratch`` (the paper's code) trains a new model at each refresh, ``warm`` starts from the last weights.
        refit_steps: Gradient steps of a refit; None takes the preset's.
        fit_rows: Most real rows of a source that a refit learns from, 200,000 by default. A larger source is
            sampled at random, which bounds memory and time. None fits all rows.
        validate: Smallest fidelity of generated rows: their marginal on held-out real rows as a share of what real rows
            reach, 0.95 for example. Below it they are kept out of the batches, with a warning. None never checks.
        refresh: ``blocking`` (default): training waits while a refresh fits and generates. ``background``: a second
            process does it, training continues with the old rows, and a later batch takes the new ones over.
        progress: Progress bars during a refresh; None shows them on a terminal. False also silences the messages
            about when a refresh is due and how long it takes.
    """

    refresh_every: int
    generator: GeneratorArgument
    store_rows: int | None
    refit: Refit
    refit_steps: int | None
    fit_rows: int | None
    validate: float | None
    refresh: RefreshMode
    progress: bool | None


class SyntheticOptions(EngineOptions, total=False):
    """Keyword arguments of ``SyntheticReplayBuffer``, besides those of :class:`EngineOptions`.

    Attributes:
        real_ratio: Share of real rows in a batch, r in SynthER's Algorithm 1: a number in [0, 1], 0.5 by default, a
            function of the environment step, such as :class:`~synth_replay.buffers.LinearSchedule`, or ``auto``, which
            generates rows only where real ones have been drawn often enough for them to pay.
        relevance: Asks for rows of the highest relevance (Prioritized Generative Replay): ``curiosity``, ``td_error``,
            ``return``, a function of :class:`~synth_replay.Transitions`, or a
            :class:`~synth_replay.buffers.Relevance`. None, the default, asks for rows like the replay.
    """

    real_ratio: AutoRatio
    relevance: RelevanceArgument


class MixedOptions(EngineOptions, total=False):
    """Keyword arguments of ``CFGMixedBuffer``, besides those of :class:`EngineOptions`.

    The three ratios are numbers in [0, 1], or functions of the environment step, such as
    :class:`~synth_replay.buffers.LinearSchedule`.

    Attributes:
        plan: ``concat`` (default) has exact numbers of all four sources in each batch; ``oorb`` makes each batch
            online-like or offline-like by the toss of a coin.
        synthetic_ratio: Share of synthetic rows in a batch, r in CFDG's Algorithm 1; 1/3 by default. ``auto``
            generates rows only where real ones have been drawn often enough for them to pay.
        online_ratio: Share of online rows among the real ones, or the coin's probability of an online-like batch; 0.5
            by default.
        synthetic_online_ratio: Share of online-like rows among the synthetic ones, in the stores and in ``concat``; 0.8
            by default.
        generation: ``conditional`` (default) fits one generator with labels. The others are there to compare with:
            ``unconditional`` (one generator without labels), ``online`` (SynthER on online rows alone), ``none``
            (replay of both kinds).
        guidance_weight: w of CFDG's Eq. 7; None takes the generator configuration's.
    """

    plan: PlanName
    synthetic_ratio: AutoRatio
    online_ratio: Ratio
    synthetic_online_ratio: Ratio
    generation: Generation
    guidance_weight: float | None


def synther_engine(
    observation_space: spaces.Space[Any],
    action_space: spaces.Space[Any],
    *,
    real_ratio: AutoRatio = 0.5,
    relevance: RelevanceArgument = None,
    seed: int | None = None,
    device: str | torch.device = "auto",
    **options: Unpack[EngineOptions],
) -> SynthesisEngine:
    """Returns the engine of a ``SyntheticReplayBuffer`` (SynthER, Algorithm 1), with the source ``real``.

    Args:
        observation_space: Observation space of the environment.
        action_space: Action space of the environment.
        real_ratio: Share of real rows in a batch, or ``auto``.
        relevance: Score whose highest values the generator is asked for; None asks for rows like the replay.
        seed: Seed of the generator and of the rows that are sampled.
        device: Device of the generator.
        **options: Keyword arguments of :class:`EngineOptions`.

    Raises:
        ConfigError: If a value cannot be used.
        SpecMismatchError: If a saved generator is of another environment.
        TypeError: If an option is unknown.
    """
    refuse_unknown("SyntheticReplayBuffer", options, SyntheticOptions)
    mixture = two_sources(real_ratio)
    return SynthesisEngine(
        observation_space, action_space, mixture, relevance=relevance, seed=seed, device=device, **options
    )


def cfdg_engine(
    observation_space: spaces.Space[Any],
    action_space: spaces.Space[Any],
    *,
    plan: PlanName = "concat",
    synthetic_ratio: AutoRatio = 1 / 3,
    online_ratio: Ratio = 0.5,
    synthetic_online_ratio: Ratio = 0.8,
    generation: Generation = "conditional",
    guidance_weight: float | None = None,
    seed: int | None = None,
    device: str | torch.device = "auto",
    **options: Unpack[EngineOptions],
) -> SynthesisEngine:
    """Returns the engine of a ``CFGMixedBuffer`` (CFDG, Algorithm 1), with the sources ``online`` and ``offline``.

    Args:
        observation_space: Observation space of the environment.
        action_space: Action space of the environment.
        plan: Name of the batch plan.
        synthetic_ratio: Share of synthetic rows in a batch, or ``auto``.
        online_ratio: Share of online rows among the real ones.
        synthetic_online_ratio: Share of online-like rows among the synthetic ones.
        generation: Name of the arm.
        guidance_weight: w of CFDG's Eq. 7; None takes the generator configuration's.
        seed: Seed of the generator and of the rows that are sampled.
        device: Device of the generator.
        **options: Keyword arguments of :class:`EngineOptions`.

    Raises:
        ConfigError: If a value cannot be used.
        SpecMismatchError: If a saved generator is of another environment.
        TypeError: If an option is unknown.
    """
    refuse_unknown("CFGMixedBuffer", options, MixedOptions)
    mixture = four_sources(plan, synthetic_ratio, online_ratio, synthetic_online_ratio, generation)
    return SynthesisEngine(
        observation_space,
        action_space,
        mixture,
        guidance_weight=guidance_weight,
        seed=seed,
        device=device,
        **options,
    )


def refuse_unknown(owner: str, given: Iterable[str], options: type) -> None:
    """Checks the names of keyword arguments.

    Raises:
        TypeError: If one is unknown; the text names the most similar option.
    """
    known = list(get_type_hints(options))
    for name in given:
        if name not in known:
            similar = get_close_matches(name, known, 1)
            hint = f"did you mean {similar[0]!r}?" if similar else f"it takes {', '.join(known)}."
            raise TypeError(f"{owner} got an unknown argument {name!r}: {hint}")


def split_options(given: dict[str, Any], options: type) -> tuple[dict[str, Any], dict[str, Any]]:
    """Divides keyword arguments into the buffer's options and the rest, which a host library's class takes.

    Args:
        given: Keyword arguments by name.
        options: :class:`SyntheticOptions` or :class:`MixedOptions`.
    """
    known = get_type_hints(options)
    ours = {name: value for name, value in given.items() if name in known}
    return ours, {name: value for name, value in given.items() if name not in known}


Owner = TypeVar("Owner")


def flat_signature(options: type) -> Callable[[type[Owner]], type[Owner]]:
    """Shows the options of a buffer one by one in its signature, in ``help()`` and in the documentation.

    Args:
        options: :class:`SyntheticOptions` or :class:`MixedOptions`.

    Returns:
        A class decorator.
    """
    known = _parameters(SynthesisEngine) | _parameters(synther_engine) | _parameters(cfdg_engine)
    shown = [known[name].replace(annotation=hint) for name, hint in get_type_hints(options).items()]

    def decorate(owner: type[Owner]) -> type[Owner]:
        init: Any = owner.__dict__["__init__"]
        own = [parameter for name, parameter in _parameters(init).items() if name not in ("options", "host")]
        rest = [parameter for name, parameter in _parameters(init).items() if name == "host"]
        init.__signature__ = inspect.Signature([*own, *shown, *rest])
        seen: Any = owner  # the class too: a __new__ of its own would be shown in place of __init__
        seen.__signature__ = _SignatureOf(init, inspect.Signature([*own[1:], *shown, *rest]))
        return owner

    return decorate


class _SignatureOf:
    """The signature of a class, and of those subclasses that keep its ``__init__``."""

    def __init__(self, init: object, signature: inspect.Signature) -> None:
        self._init, self._signature = init, signature

    def __get__(self, owner: object, cls: type) -> inspect.Signature:
        if owner is None and cls.__init__ is self._init:  # type: ignore[misc]
            return self._signature
        raise AttributeError("__signature__")


def _parameters(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    return dict(inspect.signature(function).parameters)
