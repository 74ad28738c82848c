"""Checks of rows and spaces before any work is done with them."""

from __future__ import annotations

import logging
from numbers import Integral
from typing import Any

import numpy as np
from gymnasium import spaces

from synth_replay.codec.precision import check_magnitudes, rounding_note
from synth_replay.errors import InvalidTransitionsError, SpecMismatchError, TooFewTransitionsError
from synth_replay.generator.config import MIN_ROWS, GeneratorConfig
from synth_replay.generator.relabel import resolve_function
from synth_replay.safe_paths import shown
from synth_replay.transitions import EXTRA_COLUMNS, Transitions, TransitionSpec

logger = logging.getLogger(__name__)


def check_rows(transitions: Transitions, spec: TransitionSpec, config: GeneratorConfig) -> TransitionSpec:
    """Checks that a generator can be fitted to the rows.

    Args:
        transitions: Real rows.
        spec: Columns of the environment's transitions.
        config: Settings of the fit.

    Returns:
        The spec with the extra columns of the rows.

    Raises:
        TooFewTransitionsError: If there are fewer than :data:`MIN_ROWS` rows.
        InvalidTransitionsError: If these are no transitions, or a value is not finite, outside its space, or too large
            to be modelled.
        SpecMismatchError: If columns are missing or have other shapes.
        ConfigError: If the relabelling function does not exist.
    """
    if not isinstance(transitions, Transitions):
        raise InvalidTransitionsError(
            f"A generator is fitted to Transitions, such as open_dataset(path).read(); got {shown(transitions)}."
        )
    spec = spec.with_extras([name for name in EXTRA_COLUMNS if getattr(transitions, name) is not None])
    if len(transitions) < MIN_ROWS:
        raise TooFewTransitionsError(
            f"A generator needs at least {MIN_ROWS} transitions to fit; got {len(transitions)}. Collect more first."
        )
    spec.check(transitions)
    _check_precision(transitions, spec)
    if config.relabel.function is not None:
        resolve_function(config.relabel.function)
    return spec


def _check_precision(transitions: Transitions, spec: TransitionSpec) -> None:
    leaves = transitions.leaves()
    for leaf in spec.leaves:
        check_magnitudes(leaf, leaves[leaf.name])
    for leaf in spec.leaves:
        if note := rounding_note(leaf, leaves[leaf.name]):
            logger.warning(note)


def check_count(count: Any, spec: TransitionSpec) -> int:
    """Checks a number of rows to sample.

    Args:
        count: The number, of any type.
        spec: Columns of the rows.

    Returns:
        The number as an int.

    Raises:
        InvalidTransitionsError: If it is negative or no whole number, or the system has no memory for so many rows.
    """
    if isinstance(count, bool) or not isinstance(count, Integral) or count < 0:
        raise InvalidTransitionsError(f"Cannot sample {shown(count)} rows: give a whole number from 0 on.")
    try:  # pages that are never written cost nothing
        np.empty(int(count) * sum(leaf.size * leaf.dtype.itemsize for leaf in spec.leaves), np.uint8)
    except (MemoryError, ValueError, OverflowError) as error:
        raise InvalidTransitionsError(
            f"Memory does not suffice for {shown(int(count))} rows. Sample fewer at a time."
        ) from error
    return int(count)


def check_spaces(spec: TransitionSpec, observation_space: spaces.Space[Any], action_space: spaces.Space[Any]) -> None:
    """Checks that a generator's spec describes the given environment.

    Raises:
        SpecMismatchError: If the spaces differ.
    """
    wanted = TransitionSpec(observation_space, action_space)
    if spec.with_extras(()) != wanted:
        raise SpecMismatchError(
            f"This generator was fitted for {spec}, but is used with {wanted}: "
            "fit one for this environment, or pass the right folder."
        )


def widened_spec(spec: TransitionSpec, action_space: spaces.Space[Any]) -> TransitionSpec:
    """Returns the spec with an action space of equal layout and equal or wider bounds.

    Raises:
        SpecMismatchError: If the new space has another layout or excludes actions of the current one.
    """
    widened = TransitionSpec(spec.observation_space, action_space, spec.extras)
    layout, new_layout = ([(leaf.name, leaf.shape, leaf.kind) for leaf in each.leaves] for each in (spec, widened))
    if layout != new_layout or any(
        (new.low.astype(np.float32) > old.low.astype(np.float32)).any()  # a float64 bound may have been rounded
        or (new.high.astype(np.float32) < old.high.astype(np.float32)).any()
        for old, new in zip(spec.leaves, widened.leaves, strict=True)
    ):
        raise SpecMismatchError(
            f"{action_space} does not contain the generator's action space {spec.action_space}. Give a space of the "
            "same shape with equal or wider bounds."
        )
    return widened
