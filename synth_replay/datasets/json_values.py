"""Reader of untrusted JSON files: a value of an unexpected type is one clear error that names its place."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from synth_replay.errors import DatasetFormatError, SpecMismatchError, UnsupportedSpaceError
from synth_replay.safe_paths import plain_file, shown
from synth_replay.transitions import TransitionSpec

MAX_BYTES = 1 << 26
MAX_COUNT = 1 << 53
MAX_DIMENSIONS = 16


@dataclass(frozen=True)
class JsonValue:
    """A value of a JSON document, and its place there.

    Each method raises a DatasetFormatError if the value has another type.

    Attributes:
        value: The value, as :mod:`json` returns it.
        path: File to name in errors.
        place: Keys that lead to the value, such as ``shards.0.file``; empty for the whole document.
    """

    value: Any
    path: Path
    place: str = ""

    def __getitem__(self, key: str) -> JsonValue:
        """Returns the value of a key; a missing key is an error, too."""
        held = self.table()
        if key not in held:
            raise DatasetFormatError(f"{self.path} is damaged: {self._inner(key)} is missing.")
        return held[key]

    def get(self, key: str) -> JsonValue | None:
        """Returns the value of a key; None if it is missing or null."""
        found = self.table().get(key)
        return None if found is None or found.value is None else found

    def table(self) -> dict[str, JsonValue]:
        """Returns the values of an object by key."""
        held = self._of(dict, "an object")
        return {key: JsonValue(child, self.path, self._inner(key)) for key, child in held.items()}

    def entries(self) -> list[JsonValue]:
        """Returns the values of a list."""
        held = self._of(list, "a list")
        return [JsonValue(child, self.path, self._inner(str(i))) for i, child in enumerate(held)]

    def text(self) -> str:
        """Returns a string."""
        found: str = self._of(str, "text")
        return found

    def count(self) -> int:
        """Returns a whole number from 0 to 2**53."""
        if isinstance(self.value, bool) or not isinstance(self.value, int) or not 0 <= self.value <= MAX_COUNT:
            raise self._error("a whole number from 0 on")
        return self.value

    def shape(self) -> tuple[int, ...]:
        """Returns the shape of an array: a list of at most 16 whole numbers."""
        found = tuple(size.count() for size in self.entries())
        if len(found) > MAX_DIMENSIONS:
            raise self._error("the shape of an array")
        return found

    def dtype(self) -> np.dtype[Any]:
        """Returns the numeric or bool dtype that a string names."""
        try:
            found = np.dtype(self.text())
        except (TypeError, ValueError, SyntaxError) as error:
            raise self._error("a dtype of numbers") from error
        if found.kind not in "biuf" or found.shape:
            raise self._error("a dtype of numbers")
        return found

    def plain(self) -> dict[str, Any]:
        """Returns an object as a dict."""
        found: dict[str, Any] = self._of(dict, "an object")
        return found

    def spec(self) -> TransitionSpec:
        """Returns the spec that :meth:`TransitionSpec.to_dict` described."""
        try:
            return TransitionSpec.from_dict(self.plain())
        except (UnsupportedSpaceError, SpecMismatchError) as error:
            raise DatasetFormatError(f"{self.path} is damaged: {self.place}: {error}") from error

    def _of(self, kind: type, name: str) -> Any:
        if not isinstance(self.value, kind):
            raise self._error(name)
        return self.value

    def _error(self, wanted: str) -> DatasetFormatError:
        place = self.place or "it"
        return DatasetFormatError(f"{self.path} is damaged: {place} must be {wanted}; it is {shown(self.value)}.")

    def _inner(self, key: str) -> str:
        inner = key if len(key) <= 60 else f"{key[:60]}..."
        return f"{self.place}.{inner}" if self.place else inner


def read_json(folder: Path, name: str) -> JsonValue:
    """Reads a JSON file of a folder.

    Raises:
        DatasetFormatError: If it is no plain file of the folder, longer than 64 MiB, not JSON, or nested too deeply.
    """
    path = plain_file(folder, name, DatasetFormatError)
    try:
        with path.open("rb") as file:
            held = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise DatasetFormatError(f"{path} cannot be read: {error.strerror or error}.") from error
    if len(held) > MAX_BYTES:
        raise DatasetFormatError(f"{path} is longer than {MAX_BYTES >> 20} MiB, which is no description of a dataset.")
    return parse_json(held, path)


def parse_json(text: str | bytes, path: Path, place: str = "") -> JsonValue:
    """Parses JSON.

    Args:
        text: The document.
        path: File to name in errors.
        place: Place of the text in that file, for errors.

    Raises:
        DatasetFormatError: If it is not JSON, or is nested too deeply.
    """
    try:
        return JsonValue(json.loads(text), path, place)
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else " ".join(str(error).split())
        where = f" in {place}" if place else ""
        raise DatasetFormatError(
            f"{path} cannot be read: it is cut short, damaged or of another format, not JSON{where} ({reason[:200]}). "
            "Copy or download it again."
        ) from error


def listed(names: Iterable[str], limit: int = 12) -> str:
    """Returns names for an error, sorted and separated by commas; many or long ones are cut."""
    ordered = sorted(names)
    cut = [name if len(name) <= 60 else f"{name[:60]}..." for name in ordered[:limit]]
    rest = len(ordered) - len(cut)
    return (", ".join(cut) or "nothing") + (f" and {rest:,} more" if rest else "")
