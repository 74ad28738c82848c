"""Checks of rows and spaces before any work is done with them."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
from gymnasium import spaces

from synth_replay.codec.precision import check_magnitudes, rounded_columns
from synth_replay.errors import SpecMismatchError, TooFewTransitionsError
from synth_replay.generator.config import MIN_ROWS, GeneratorConfig
from synth_replay.generator.relabel import resolve_function
from synth_replay.spaces import Leaf
from synth_replay.transitions import EXTRA_COLUMNS, Transitions, TransitionSpec

logger = logging.getLogger(__name__)

_ROUNDING_REMEDY = (
    "Subtract a constant offset before fitting, or use a float64 space (rewards, discounts and returns are always "
    "float32)."
)


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
        InvalidTransitionsError: If a value is not finite, outside its space, or too large to be modelled.
        SpecMismatchError: If columns are missing or have other shapes.
        ConfigError: If the relabelling function does not exist.
    """
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
        if rounded := rounded_columns(leaf, leaves[leaf.name]):
            of = f" of the elements {', '.join(map(str, rounded[:8]))}" if leaf.size > 1 else ""
            logger.warning(f"{leaf.name}: {_too_coarse(leaf)}{of}: distinct values fall together. {_ROUNDING_REMEDY}")


def _too_coarse(leaf: Leaf) -> str:
    """Words which numbers are too coarse for a column."""
    dtype = np.dtype(leaf.dtype)
    how = f"generated values are {dtype.name}" if dtype.kind == "f" else f"{dtype.name} values are modelled as float64"
    return f"{how}, whose precision is too low for the real values"


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
