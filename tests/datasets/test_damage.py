"""Files with a few wrong bytes or JSON values are read, or raise one named error in one short line."""

import io
import json
import random
import zipfile

import h5py
import numpy as np
import pytest

from synth_replay.datasets import open_dataset
from synth_replay.errors import DatasetFormatError, SpaceDescriptionError, SynthReplayError
from synth_replay.spaces import space_from_dict
from synth_replay.transitions import TransitionSpec
from tests.datasets.helpers import TARGETS, random_rows, spec_of, write
from tests.datasets.test_bad_input import columns, refused, save

SPEC = spec_of("Pendulum-v1")
WORDS = [None, -1, 0, True, 2**70, 1e308, float("nan"), "x", "../x", [], [1], {}, {"a": 1}, [[1]], "O", "float99"]
CASES = 25


def outcome(path):
    """Reads a dataset. Fails the test on any error other than a named one in one short line."""
    try:
        for _ in open_dataset(path).chunks(17):
            pass
    except SynthReplayError as error:
        assert "\n" not in str(error) and len(str(error)) < 2000
        return "refused"
    return "read"


def files_of(path):
    return [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())


@pytest.mark.parametrize("format", TARGETS)
def test_files_with_wrong_bytes_are_read_or_refused(format, tmp_path):
    path, rng = write(tmp_path / TARGETS[format], SPEC, random_rows(SPEC, 12), format=format), random.Random(1)
    files = files_of(path)
    blobs = [file.read_bytes() for file in files]
    found = []
    for _ in range(CASES):
        which = rng.randrange(len(files))
        blob = bytearray(blobs[which])
        for _ in range(rng.choice([1, 3, 20])):
            blob[rng.randrange(min(len(blob), rng.choice([300, 10**6])))] = rng.randrange(256)
        files[which].write_bytes(blob)
        found.append(outcome(path))
        files[which].write_bytes(blobs[which])
    assert "refused" in found and outcome(path) == "read"


def places(value):
    """Yields every object or list in a JSON value, with each of its keys."""
    keys = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from places(value[key])


def edited(text, rng):
    held = json.loads(text)
    holder, key = rng.choice(list(places(held)))
    holder[key] = rng.choice(WORDS)
    return json.dumps(held)


@pytest.mark.parametrize("format", ["minari", "parquet"])
def test_files_with_wrong_json_values_are_read_or_refused(format, tmp_path):
    path, rng = write(tmp_path / TARGETS[format], SPEC, random_rows(SPEC, 12), format=format), random.Random(2)
    file = next(file for file in files_of(path) if file.suffix == ".json")
    text = file.read_text()
    found = []
    for _ in range(2 * CASES):
        file.write_text(edited(text, rng))
        found.append(outcome(path))
    assert found.count("refused") > CASES // 2


@pytest.mark.parametrize("format", ["npz", "d4rl", "d3rlpy"])
def test_files_with_wrong_header_values_are_read_or_refused(format, tmp_path):
    path, rng = write(tmp_path / TARGETS[format], SPEC, random_rows(SPEC, 12), format=format), random.Random(3)
    blob, found = path.read_bytes(), []
    for _ in range(CASES):
        path.write_bytes(blob)
        if format == "npz":
            with zipfile.ZipFile(path, "a") as archive:
                archive.comment = edited(archive.comment, rng).encode()
        else:
            with h5py.File(path, "a") as file:
                file.attrs["synth_replay"] = edited(file.attrs["synth_replay"], rng)
        found.append(outcome(path))
    assert found.count("refused") > CASES // 3


@pytest.mark.parametrize(
    "text", ["", "[]", "3", "{", "[" * 10**6, '{"format": "\ud800"}', '{"rows": ' + "9" * 9000 + "}"]
)
def test_a_manifest_that_is_no_json_object_is_refused(text, tmp_path):
    path = write(tmp_path / "d", SPEC, random_rows(SPEC, 12), format="parquet")
    (path / "manifest.json").write_bytes(text.encode(errors="surrogatepass"))
    refused(path, DatasetFormatError, "manifest.json (is damaged|cannot be read)")


@pytest.mark.parametrize("value", [[1, 2], {}, None, {"observation_space": None, "action_space": None, "extras": []}])
def test_a_damaged_spec_raises_a_named_error(value):
    with pytest.raises(SpaceDescriptionError):
        TransitionSpec.from_dict(value)


def nested(depth):
    return {"type": "Dict", "spaces": {"a": nested(depth - 1)} if depth else {}}


@pytest.mark.parametrize(
    "space",
    [
        {"type": ["Box"]},
        {"type": "Text"},
        {"type": "Box", "dtype": "float32", "shape": [2], "low": ["0"], "high": ["1", "1"]},
        {"type": "Box", "dtype": "float32", "shape": [1], "low": ["1"], "high": ["0"]},
        {"type": "Box", "dtype": "float32", "shape": [1], "low": ["nan"], "high": ["1"]},
        {"type": "Box", "dtype": "float32", "shape": "inf", "low": ["0"], "high": ["1"]},
        {"type": "Box", "dtype": "O", "shape": [1], "low": ["0"], "high": ["1"]},
        {"type": "Box", "dtype": "uint8", "shape": [1], "low": ["-1"], "high": ["256"]},
        {"type": "Box", "dtype": False, "shape": [1], "low": ["0"], "high": ["1"]},
        {"type": "Discrete", "dtype": "int64", "n": -1, "start": 0},
        {"type": "Discrete", "dtype": "int64", "n": 2**64, "start": 0},
        {"type": "Discrete", "dtype": "float32", "n": 3, "start": 0},
        {"type": "MultiDiscrete", "dtype": "int64", "nvec": ["a"], "start": [0]},
        {"type": "MultiBinary", "dtype": "int8", "n": 10**12},
        {"type": "MultiBinary", "dtype": "int8", "n": [10**6, 10**6]},
        {"type": "Dict", "spaces": [1]},
        nested(200),
    ],
    ids=str,
)
def test_a_damaged_space_raises_a_named_error(space):
    with pytest.raises(SpaceDescriptionError):
        space_from_dict(space)


@pytest.mark.parametrize(
    "header", [b"{'descr': '<f4', (, }", b"{" * 500, b"\xff" * 40, b"x" * 20_000, b"", b"__import__('os')"]
)
def test_a_damaged_array_header_is_refused(header, tmp_path):
    with zipfile.ZipFile(tmp_path / "f.npz", "w") as archive:
        for name, array in columns().items():
            np.save(stream := io.BytesIO(), array)
            archive.writestr(f"{name}.npy", stream.getvalue())
        archive.writestr("infos.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    refused(tmp_path / "f.npz", DatasetFormatError, "cannot be read")


@pytest.mark.parametrize("kind", ["group", "text", "empty", "compound", "scalar", "loop"])
@pytest.mark.parametrize("name", ["observations", "rewards", "terminals"])
def test_hdf5_objects_of_another_kind_are_refused(kind, name, tmp_path):
    path = save(tmp_path / "f.hdf5", columns() | {name: None})
    with h5py.File(path, "a") as file:
        if kind in ("group", "loop"):
            group = file.create_group(name)
            if kind == "loop":
                group["again"] = file
        else:
            values = {"text": "x", "empty": h5py.Empty("f4"), "compound": np.zeros(6, [("a", "f4")]), "scalar": 3.0}
            file[name] = values[kind]
    refused(path, DatasetFormatError, "lacks|not numbers")
