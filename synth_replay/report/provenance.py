"""Provenance of a report: everything needed to reproduce it."""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import PurePath
from typing import Any

import numpy as np

_PACKAGES = ("synth-replay", "torch", "numpy", "gymnasium", "matplotlib", "scikit-learn")


def versions() -> dict[str, str]:
    """Returns the exact versions of all packages that computed or drew a part of the page."""
    found = {"python": platform.python_version(), "platform": platform.platform()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed as a package"
    return found


def plain(value: Any) -> Any:
    """Converts any value to JSON types: NaN and infinity become None, unknown types their text."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    return value.as_posix() if isinstance(value, PurePath) else str(value)


def entries(provenance: Mapping[str, Any]) -> list[tuple[str, str, bool]]:
    """Lists name, text, and whether the text is nested JSON, which the page folds."""
    found = []
    for key, value in plain(provenance).items():
        nested = isinstance(value, dict | list) and bool(value)
        found.append((key, json.dumps(value, indent=2, ensure_ascii=False) if nested else str(value), nested))
    return found
