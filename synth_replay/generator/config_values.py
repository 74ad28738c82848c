"""Checks all values of a configuration from JSON or YAML against the types of its fields."""

from __future__ import annotations

import dataclasses
import math
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from synth_replay.errors import ConfigError
from synth_replay.safe_paths import shown


def changed(start: Any, data: Any) -> Any:
    """Returns the configuration ``start`` with the values of ``data``, at any depth.

    Raises:
        ConfigError: If a name is unknown, or a value has another type or cannot be used.
    """
    name = type(start).__name__
    if not isinstance(data, dict):
        raise ConfigError(f"{name} is a mapping of names to values, not {shown(data)}.")
    hints = get_type_hints(type(start))
    known = {field.name for field in dataclasses.fields(start)}
    if unknown := {key if isinstance(key, str) else repr(key) for key in data} - known:
        raise ConfigError(f"{name} has no {shown(sorted(unknown))}; it has {sorted(known)}.")
    values = {}
    for key, value in data.items():
        held = getattr(start, key)
        nested = dataclasses.is_dataclass(held)
        values[key] = changed(held, value) if nested else typed(f"{name}.{key}", hints[key], value)
    return dataclasses.replace(start, **values)


def typed(place: str, hint: Any, value: Any) -> Any:
    """Returns a value in the type ``hint`` of a field.

    Whole floats become ints. Text that is a number becomes that number, because YAML reads ``1e-3`` as text.

    Args:
        place: Name of the field, for errors.
        hint: Type of the field.
        value: Value from JSON or YAML.

    Raises:
        ConfigError: If the value has another type.
    """
    if get_origin(hint) in (Union, UnionType):
        if value is None and type(None) in get_args(hint):
            return None
        return typed(place, next(kind for kind in get_args(hint) if kind is not type(None)), value)
    found = _converted(hint, value)
    if found is None:
        raise ConfigError(f"{place} is {_wanted(hint)}, not {shown(value)}.")
    return found


def _converted(hint: Any, value: Any) -> Any:
    """Returns the value in the type ``hint``, or None if it cannot be converted."""
    if get_origin(hint) is Literal:
        return value if isinstance(value, str) and value in get_args(hint) else None
    if get_origin(hint) is tuple:
        kinds = get_args(hint)
        if not isinstance(value, (list, tuple)) or len(value) != len(kinds):
            return None
        parts = tuple(map(_converted, kinds, value))
        return None if None in parts else parts
    if hint in (int, float):
        return _number(hint, value)
    return value if type(value) is hint else None


def _number(hint: type, value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    if not math.isfinite(number) or (hint is int and number != int(number)):
        return None
    return number if hint is float else value if isinstance(value, int) else int(number)


def _wanted(hint: Any) -> str:
    if get_origin(hint) is Literal:
        return f"one of {', '.join(get_args(hint))}"
    if get_origin(hint) is tuple:
        return f"{len(get_args(hint))} numbers"
    return {int: "a whole number", float: "a number", bool: "true or false", str: "text"}.get(hint, str(hint))
