"""The note that our own files carry: their spec and the caller's meta, as JSON."""

from __future__ import annotations

import json
from typing import Any

from gymnasium import spaces

from synth_replay.errors import DatasetError
from synth_replay.transitions import TransitionSpec

Spaces = tuple[spaces.Space[Any] | None, spaces.Space[Any] | None]

MAX_BYTES = 65_000  # a zip comment and an HDF5 attribute both end near 64 KiB


def plain_json(value: dict[str, Any]) -> dict[str, Any]:
    """``value`` as it would come back from a JSON file.

    Raises:
        DatasetError: If it holds something that JSON cannot.
    """
    try:
        plain: dict[str, Any] = json.loads(json.dumps(value))
    except (TypeError, ValueError) as error:
        raise DatasetError(f"meta must hold JSON values only: {error}.") from error
    return plain


def make_stamp(spec: TransitionSpec, meta: dict[str, Any]) -> str:
    """The note of a file.

    Raises:
        DatasetError: If ``meta`` is no JSON, or the note is too long for a file's header.
    """
    text = json.dumps({"synth_replay": 1, "spec": spec.to_dict(), "meta": plain_json(meta)})
    if len(text.encode()) > MAX_BYTES:
        raise DatasetError(f"spec and meta take {len(text)} bytes of at most {MAX_BYTES}: write format='parquet'.")
    return text


def read_stamp(text: str | bytes | None) -> tuple[Spaces, dict[str, Any]]:
    """Observation space, action space and meta of a note; None and empty for a foreign file.

    Raises:
        ValueError: If a note of ours is cut short.
    """
    text = text.decode(errors="replace") if isinstance(text, bytes) else str(text)
    if not text.startswith('{"synth_replay"'):
        return (None, None), {}
    note = json.loads(text)
    spec = TransitionSpec.from_dict(note["spec"])
    return (spec.observation_space, spec.action_space), dict(note["meta"])
