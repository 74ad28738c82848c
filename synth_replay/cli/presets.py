"""The preset that the generator's options start from, which has to be known before they are parsed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from synth_replay.generator.config import GeneratorConfig, resolve_config
from synth_replay.runtime import resolve_device

_start: ContextVar[tuple[str, str]] = ContextVar("start", default=("auto", "auto"))


def starting_config() -> GeneratorConfig:
    """The configuration of ``--preset`` (``auto``: of the device)."""
    preset, device = _start.get()
    return resolve_config(None if preset == "auto" else preset, resolve_device(device))


@contextmanager
def starting_from(arguments: list[str]) -> Iterator[None]:
    """Within it, :func:`starting_config` is the one that the arguments name."""
    token = _start.set((_value(arguments, "--preset"), _value(arguments, "--device")))
    try:
        yield
    finally:
        _start.reset(token)


def _value(arguments: list[str], name: str) -> str:
    for i, argument in enumerate(arguments):
        if argument == name and i + 1 < len(arguments):
            return arguments[i + 1]
        if argument.startswith(f"{name}="):
            return argument.partition("=")[2]
    return "auto"
