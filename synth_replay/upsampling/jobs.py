"""What a dataset is made from, as JSON values, and in which of its options one job differs from another."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

_OPTIONS = {
    "output.rows": "num-samples",
    "output.seed": "seed",
    "output.label": "label",
    "output.shard_rows": "shard-rows",
    "format": "out-format",
}
_COMMANDS = ("fit", "sample", "upsample")


def digest(path: Path) -> str:
    """SHA-256 of a file, or of all files of a folder with their names."""
    total = hashlib.sha256()
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    for file in files:
        if path != file:
            total.update(file.relative_to(path).as_posix().encode() + b"\0")
        with file.open("rb") as stream:
            total.update(hashlib.file_digest(stream, "sha256").digest())
    return total.hexdigest()


def plain(job: dict[str, Any]) -> dict[str, Any]:
    """The job as it is read back from a file."""
    read: dict[str, Any] = json.loads(json.dumps(job))
    return read


def differences(there: dict[str, Any], now: dict[str, Any]) -> str:
    """The options of the command line in which two jobs differ, with both values."""
    if (commands := [_command(job) for job in (there, now)])[0] != commands[1]:
        return f"command: {commands[0]} there, {commands[1]} now"
    old, new = _leaves(there), _leaves(now)
    found: dict[str, None] = {}  # a seed counts once, though both the fit and the rows have it
    for path in [*old, *(path for path in new if path not in old)]:
        if old.get(path) != new.get(path):
            found[_difference(path, old.get(path), new.get(path))] = None
    return ", ".join(found)


def _command(job: dict[str, Any]) -> str:
    return next((name for name in _COMMANDS if name in job), "another")


def _leaves(tree: dict[str, Any], path: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in tree.items():
        found |= _leaves(value, f"{path}{key}.") if isinstance(value, dict) else {path + key: value}
    return found


def _difference(path: str, there: Any, now: Any) -> str:
    for command in _COMMANDS:
        path = path.removeprefix(f"{command}.")
    if path.startswith("data."):
        return "another dataset"
    if path == "generator":
        return "another generator"
    name = _OPTIONS.get(path, path)
    if name.startswith("config."):
        name = name.replace("config.", "generator.", 1).replace("_", "-")
    return f"{name}: {there} there, {now} now"
