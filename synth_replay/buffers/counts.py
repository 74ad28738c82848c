"""Checks of options that are numbers, with messages for the ways in which files and command lines garble them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from synth_replay.errors import ConfigError
from synth_replay.safe_paths import shown

MOST = 2**63  # smallest whole number that int64 cannot hold


def refuse_text(name: str, value: Any) -> None:
    """Refuses a number that arrived as text, as YAML's ``1e4`` does.

    Raises:
        ConfigError: If the value is a string.
    """
    if isinstance(value, str):
        raise ConfigError(
            f"{name} is the text {value!r}, not a number. Write {_plain(value)}, without quotes: YAML reads 1e4 as "
            "text, because it has no dot and no sign."
        )


def whole_number(name: str, value: Any, what: str, least: int = 1) -> int:
    """Returns a count as an int. Floats without a fraction, such as 1e4, are accepted.

    Args:
        name: Name of the option.
        value: Value that the user gave.
        what: What the option counts, in the plural.
        least: Smallest value.

    Raises:
        ConfigError: If the value is text, has a fraction, is not finite, is too small, or exceeds int64.
    """
    refuse_text(name, value)
    number = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    if not number or not least <= value < MOST or value != int(value):
        raise ConfigError(f"{name} counts {what}: a whole number of at least {least}; got {shown(value)}.")
    return int(value)


def checked_seed(seed: Any) -> Any:
    """Returns a seed as it is.

    Raises:
        ConfigError: If it is neither None nor a whole number from 0.
    """
    whole = isinstance(seed, (int, np.integer)) and not isinstance(seed, bool)
    if seed is not None and (not whole or seed < 0):
        raise ConfigError(f"seed is a whole number from 0, or None for one that differs each time; got {shown(seed)}.")
    return seed


def _plain(text: str) -> str:
    """Returns the number that a text means, in plain digits; an example if it means none."""
    try:
        value = float(text)
    except ValueError:
        return "a number such as 10000"
    whole = math.isfinite(value) and value == int(value)
    return str(int(value)) if whole else repr(value)
