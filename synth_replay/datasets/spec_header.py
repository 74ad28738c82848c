"""The header in files that this package writes: the spec and the caller's metadata, as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gymnasium import spaces

from synth_replay.datasets.json_values import parse_json
from synth_replay.errors import DatasetError
from synth_replay.transitions import TransitionSpec

Spaces = tuple[spaces.Space[Any] | None, spaces.Space[Any] | None]

MAX_BYTES = 65_000  # a zip comment and an HDF5 attribute hold about 64 KiB


def plain_json(value: dict[str, Any]) -> dict[str, Any]:
    """Returns a dict as it comes back from a JSON file.

    Raises:
        DatasetError: If a value has no JSON form.
    """
    try:
        plain: dict[str, Any] = json.loads(json.dumps(value))
    except (TypeError, ValueError) as error:
        raise DatasetError(f"meta must hold JSON values only: {error}.") from error
    return plain


def make_spec_header(spec: TransitionSpec, meta: dict[str, Any]) -> str:
    """Returns the header of a file as text.

    Raises:
        DatasetError: If ``meta`` holds values without a JSON form, or the header is longer than 65,000 bytes.
    """
    text = json.dumps({"synth_replay": 1, "spec": spec.to_dict(), "meta": plain_json(meta)})
    if len(text.encode()) > MAX_BYTES:
        raise DatasetError(f"spec and meta take {len(text)} bytes of at most {MAX_BYTES}: write format='parquet'.")
    return text


def read_spec_header(text: object, path: Path) -> tuple[Spaces, dict[str, Any]]:
    """Reads the observation space, action space and metadata from a header.

    Args:
        text: Text or bytes at the place of the header; anything else means that there is none.
        path: File to name in errors.

    Returns:
        The two spaces and the metadata; None and empty for files of other tools.

    Raises:
        DatasetFormatError: If the header is cut short or damaged.
    """
    text = text.decode(errors="replace") if isinstance(text, bytes) else text
    if not isinstance(text, str) or not text.startswith('{"synth_replay"'):
        return (None, None), {}
    header = parse_json(text, path, "its header")
    spec = header["spec"].spec()
    return (spec.observation_space, spec.action_space), header["meta"].plain()
