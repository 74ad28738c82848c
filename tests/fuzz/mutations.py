"""Random changes that damage a file: of its bytes, or of values in JSON and YAML."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

VALUES = (
    *(None, True, False, 0, -1, 1.5, 10**12, 2**63, 10**400, float("inf"), float("nan"), "", "x", "\0", "../x", "1e3"),
    *("/dev/zero", "é" * 300, "os:system", [], {}, [[]], [1, "a"], {"a": {}}, [0] * 40),
)


def mutate(path: Path, rng: random.Random) -> str:
    """Changes the file at the path, or one file of the folder, and returns a description of the change."""
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    file = rng.choice(files)
    structured = file.suffix in (".json", ".yaml")
    change = rng.choice(STRUCTURED + BYTES) if structured else rng.choice(BYTES)
    said = change(file, rng)
    return f"{file.name}: {said}"


def _edit_value(file: Path, rng: random.Random) -> str:
    """Replaces a random value of a document by one of another type or size."""
    import yaml

    document = yaml.safe_load(file.read_text()) if file.suffix == ".yaml" else json.loads(file.read_text())
    place, node, key = "", {"": document}, ""
    while isinstance(node[key], (dict, list)) and node[key] and rng.random() < 0.85:
        node = node[key]
        key = rng.choice(list(node)) if isinstance(node, dict) else rng.randrange(len(node))
        place += f".{key}"
    value: Any = rng.choice(VALUES)
    if place:
        node[key] = value
    else:
        document = value
    file.write_text(yaml.safe_dump(document) if file.suffix == ".yaml" else json.dumps(document))
    return f"{place} = {str(value)[:30]!r}"


def _drop_key(file: Path, rng: random.Random) -> str:
    document = json.loads(file.read_text()) if file.suffix == ".json" else {}
    keys = list(document) if isinstance(document, dict) else []
    if not keys:
        return _edit_value(file, rng)
    key = rng.choice(keys)
    del document[key]
    file.write_text(json.dumps(document))
    return f"without {key}"


def _nest(file: Path, rng: random.Random) -> str:
    depth = rng.choice((50, 2_000, 100_000))
    file.write_text("[" * depth + "]" * rng.choice((depth, 0)))
    return f"nested {depth} deep"


def _flip_bits(file: Path, rng: random.Random) -> str:
    blob = bytearray(file.read_bytes())
    if not blob:
        return "empty"
    places = [min(int(rng.random() ** 3 * len(blob)), len(blob) - 1) for _ in range(rng.choice((1, 1, 3, 30)))]
    for place in places:  # headers, which come first, more often than rows
        blob[place] ^= 1 << rng.randrange(8)
    file.write_bytes(blob)
    return f"bits flipped at {places[:3]}"


def _cut(file: Path, rng: random.Random) -> str:
    blob = file.read_bytes()
    size = rng.randrange(len(blob) + 1)
    file.write_bytes(blob[:size])
    return f"cut to {size} bytes"


def _overwrite(file: Path, rng: random.Random) -> str:
    blob = bytearray(file.read_bytes())
    place, size = rng.randrange(len(blob) + 1), rng.choice((1, 4, 8, 200))
    blob[place : place + size] = rng.choice((b"\xff", b"\0", rng.randbytes(1))) * size
    file.write_bytes(blob)
    return f"{size} bytes overwritten at {place}"


def _insert(file: Path, rng: random.Random) -> str:
    blob = file.read_bytes()
    place = rng.randrange(len(blob) + 1)
    file.write_bytes(blob[:place] + rng.randbytes(rng.choice((1, 7, 64))) + blob[place:])
    return f"bytes inserted at {place}"


def _change_number(file: Path, rng: random.Random) -> str:
    """Replaces a digit of a text header, such as that of an array in an npz."""
    blob = bytearray(file.read_bytes())
    digits = [i for i, byte in enumerate(blob[:100_000]) if 48 <= byte <= 57]
    if not digits:
        return _flip_bits(file, rng)
    place = rng.choice(digits)
    blob[place : place + 1] = rng.choice((b"-", b"9" * 12, b"'", b"(", b"0"))
    file.write_bytes(blob)
    return f"a digit replaced at {place}"


def _swap_type(file: Path, rng: random.Random) -> str:
    start = rng.choice((b"PK\x03\x04", b"\x89HDF\r\n\x1a\n", b"\x80\x04", b"PAR1", b"{", b""))
    file.write_bytes(start + file.read_bytes()[len(start) :])
    return f"begins with {start!r}"


Change = Callable[[Path, random.Random], str]
STRUCTURED: tuple[Change, ...] = (_edit_value, _edit_value, _edit_value, _drop_key, _nest)
BYTES: tuple[Change, ...] = (_flip_bits, _flip_bits, _cut, _overwrite, _insert, _change_number, _swap_type)
