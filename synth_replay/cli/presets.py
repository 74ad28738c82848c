"""The preset that ``--generator`` options start from, which must be known before they are parsed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from synth_replay.generator.config import GeneratorConfig, resolve_config
from synth_replay.runtime import resolve_device

_preset_and_device: ContextVar[tuple[str, str]] = ContextVar("preset_and_device", default=("auto", "auto"))


def starting_config() -> GeneratorConfig:
    """Returns the configuration of ``--preset``; ``auto`` suits the device."""
    preset, device = _preset_and_device.get()
    return resolve_config(None if preset == "auto" else preset, resolve_device(device))


@contextmanager
def starting_from(arguments: list[str]) -> Iterator[None]:
    """Lets :func:`starting_config` return the preset that the arguments name, inside a ``with`` block."""
    token = _preset_and_device.set((_value(arguments, "--preset"), _value(arguments, "--device")))
    try:
        yield
    finally:
        _preset_and_device.reset(token)


def _value(arguments: list[str], name: str) -> str:
    for i, argument in enumerate(arguments):
        if argument == name and i + 1 < len(arguments):
            return arguments[i + 1]
        if argument.startswith(f"{name}="):
            return argument.partition("=")[2]
    return "auto"
