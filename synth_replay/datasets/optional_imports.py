"""Imports of optional libraries, made when a format needs them."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from synth_replay.errors import MissingExtraError


def load_extra(module: str) -> Any:
    """Imports a module that the extra ``datasets`` installs.

    Raises:
        MissingExtraError: If it is not installed; the text has the pip command.
    """
    try:
        return import_module(module)
    except ImportError as error:
        name = module.partition(".")[0]
        raise MissingExtraError(f'{name} is not installed: pip install "synth-replay[datasets]"') from error
