"""The preset that ``--generator`` options start from, which must be known before they are parsed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

from synth_replay.generator.config import PRESETS, GeneratorConfig, resolve_config
from synth_replay.runtime import resolve_device


@dataclass(frozen=True)
class _Given:
    """The arguments that decide the starting configuration."""

    preset: str = "auto"
    device: str = "auto"
    trusted: bool = False


_given: ContextVar[_Given] = ContextVar("given", default=_Given())  # noqa: B039 - a frozen value


def starting_config() -> GeneratorConfig:
    """Returns the configuration of ``--preset``; ``auto`` suits the device."""
    given = _given.get()
    preset = None if given.preset == "auto" else given.preset
    if preset is not None and given.trusted and preset not in PRESETS and Path(preset).is_file():
        return GeneratorConfig.load(preset, trusted=True)
    return resolve_config(preset, resolve_device(given.device))


@contextmanager
def starting_from(arguments: list[str]) -> Iterator[None]:
    """Lets :func:`starting_config` return the preset that the arguments name, inside a ``with`` block."""
    values = _Given(_value(arguments, "--preset"), _value(arguments, "--device"), "--trusted" in arguments)
    token = _given.set(values)
    try:
        yield
    finally:
        _given.reset(token)


def _value(arguments: list[str], name: str) -> str:
    for i, argument in enumerate(arguments):
        if argument == name and i + 1 < len(arguments):
            return arguments[i + 1]
        if argument.startswith(f"{name}="):
            return argument.partition("=")[2]
    return "auto"
