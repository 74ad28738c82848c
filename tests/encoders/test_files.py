"""A file of data runs no code, and an encoder's file that contains code loads only with ``trusted=True``."""

from __future__ import annotations

import copy
import io
import json
import math
import zipfile

import numpy as np
import pytest
import torch
from safetensors.torch import load, save
from torch import nn

from synth_replay.encoders import FeatureTowers, FrozenEncoder, cached_encoder
from synth_replay.errors import CheckpointError, ConfigError, UntrustedFileError
from tests.encoders.helpers import SHAPE, Towers, encoder, pixel_rollout

SIZE = math.prod(SHAPE)


class Payload:
    """Its pickle writes a marker file when it is loaded."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return open, (str(self.mark), "w")


class Own(nn.Module):
    """A network of a user's own class."""

    def __init__(self, seed=0):
        super().__init__()
        torch.manual_seed(seed)
        self.body = nn.Linear(SIZE, 4)

    def forward(self, frames):
        return {"actor": self.body(frames.flatten(1)) * 0.1}


@pytest.fixture
def code(tmp_path):
    return FrozenEncoder(Own(), SHAPE).save(tmp_path / "own.pt2")


def rewritten(path, change):
    """Rewrites the file with a changed description and the same weights, and returns its path."""
    blob = path.read_bytes()
    length = int.from_bytes(blob[:8], "little")
    meta = json.loads(json.loads(blob[8 : 8 + length])["__metadata__"]["encoder.json"])
    path.write_bytes(save(load(blob), {"encoder.json": json.dumps(change(copy.deepcopy(meta)))}))
    return path


LAYERS = [
    nn.Conv2d(6, 4, (3, 5), stride=2, padding=1, bias=False),
    nn.Conv2d(6, 6, 3, groups=3, padding="same", dilation=2),
    nn.MaxPool2d(3, 2, padding=1),
    nn.AvgPool2d(2),
    nn.BatchNorm2d(6),
    nn.GroupNorm(3, 6),
    nn.LayerNorm((25, 25), elementwise_affine=False),
    nn.LeakyReLU(0.3),
    nn.Sequential(nn.Sequential(nn.Tanh()), nn.SiLU(), nn.GELU(), nn.ELU(), nn.Sigmoid(), nn.Identity()),
]


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: type(layer).__name__)
def test_standard_layers_come_back_from_a_file_with_the_same_outputs(layer, tmp_path):
    made = FrozenEncoder(FeatureTowers({"actor": (layer, nn.Flatten())}, divisor=255), SHAPE)
    held = FrozenEncoder.load(made.save(tmp_path / "encoder.safetensors"))
    frames = pixel_rollout().observations[:20]
    np.testing.assert_array_equal(made.encode(frames), held.encode(frames))
    assert held.hash == made.hash and held.layout == made.layout


def test_a_stage_that_two_features_share_runs_once():
    class Counted(nn.Flatten):
        calls = 0

        def forward(self, frames):
            Counted.calls += 1
            return super().forward(frames)

    shared = Counted()
    towers = FeatureTowers({"actor": (shared, nn.Linear(SIZE, 3)), "critic": (shared, nn.Linear(SIZE, 2))})
    assert {name: f.shape for name, f in towers(torch.ones(5, *SHAPE)).items()} == {"actor": (5, 3), "critic": (5, 2)}
    assert Counted.calls == 1


def test_layers_that_are_one_layer_are_refused_with_the_way_out(tmp_path):
    layer = nn.Linear(SIZE, SIZE)
    towers = FeatureTowers({name: (nn.Sequential(nn.Flatten(), layer),) for name in ("actor", "critic")})
    with pytest.raises(ConfigError, match=r"share their weights.*\.pt2"):
        FrozenEncoder(towers, SHAPE).save(tmp_path / "shared.safetensors")
    assert not list(tmp_path.iterdir())


def test_a_network_of_a_users_class_can_only_be_saved_as_code(tmp_path):
    made = FrozenEncoder(Own(), SHAPE)
    with pytest.raises(ConfigError, match=r"Own is code.*\.pt2.*trusted=True"):
        made.save(tmp_path / "own.safetensors")
    with pytest.raises(ConfigError, match=r"not Odd.*\.pt2"):
        FrozenEncoder(FeatureTowers({"a": (type("Odd", (nn.Flatten,), {})(),)}), SHAPE).save(tmp_path / "o.safetensors")
    assert not list(tmp_path.iterdir())


def test_code_loads_only_if_trusted_and_afterwards_also_by_its_path(code):
    with pytest.raises(UntrustedFileError, match=r"runs the code in it.*trusted=True"):
        FrozenEncoder.load(code)
    with pytest.raises(UntrustedFileError, match="trusted=True"):
        cached_encoder(code)
    held, frames = FrozenEncoder.load(code, trusted=True), pixel_rollout().observations[:5]
    assert held.hash == cached_encoder(code).hash
    np.testing.assert_allclose(held.encode(frames), FrozenEncoder(Own(), SHAPE).encode(frames), rtol=1e-6)
    FrozenEncoder(Own(seed=1), SHAPE).save(code)  # somebody replaces the file
    with pytest.raises(UntrustedFileError, match="trusted=True"):
        cached_encoder(code)


@pytest.mark.parametrize("name", ["encoder.pt2", "encoder.safetensors"])
def test_a_pickle_in_a_graph_never_runs_whatever_the_file_is_called(code, name, tmp_path):
    mark, given = tmp_path / "marker", tmp_path / name
    torch.save(Payload(mark), payload := io.BytesIO())
    with zipfile.ZipFile(code) as held, zipfile.ZipFile(given, "w") as made:
        for member in held.namelist():
            made.writestr(member, payload.getvalue() if "weights/" in member else held.read(member))
    with pytest.raises(UntrustedFileError):
        FrozenEncoder.load(given)
    assert not mark.exists()


def chained(value):
    for _ in range(40):
        value = {"layer": "Sequential", "layers": [value]}
    return value


def staged(stage):
    return lambda meta: meta | {"architecture": {"stages": [stage], "chains": {"actor": [0]}}}


ONE = {"stages": [{"layer": "Flatten"}], "chains": {"actor": [0]}}
PAD = {"layer": "Conv2d", "in_channels": 1, "out_channels": 1, "kernel_size": 1, "padding": 64, "bias": False}


def padded(meta):
    layers = [{"layer": "Sequential", "layers": [PAD] * 60}]
    return meta | {"pixel_shape": [1, 8, 8], "architecture": {"stages": layers, "chains": {"actor": [0]}}}


STRANGE = {
    "a function of the standard library": staged({"layer": "os.system", "command": "true"}),
    "a class that is not listed": staged({"layer": "Bilinear", "in1_features": 1, "in2_features": 1}),
    "an unknown setting": staged({"layer": "ReLU", "inplace": True}),
    "a padding that fills the memory": staged(
        {"layer": "Conv2d", "in_channels": 6, "out_channels": 1, "padding": 10**9}
    ),
    "a text as a number": staged({"layer": "Linear", "in_features": "__import__('os')", "out_features": 1}),
    "a negative size": staged({"layer": "Linear", "in_features": -1, "out_features": 1}),
    "a size beyond every memory": staged({"layer": "Linear", "in_features": 10**12, "out_features": 10**12}),
    "forty nested sequences": staged(chained({"layer": "Flatten"})),
    "sixty layers that pad": lambda meta: padded(meta),
    "a chain of 20,000 layers": lambda meta: meta | {"architecture": {**ONE, "chains": {"actor": [0] * 20_000}}},
    "20,000 layers": lambda meta: meta | {"architecture": {**ONE, "stages": ONE["stages"] * 20_000}},
    "20,000 features": lambda meta: (
        meta | {"architecture": {**ONE, "chains": {f"feature {i}": [0] for i in range(20_000)}}}
    ),
    "20,000 unknown settings": staged({"layer": "ReLU"} | {f"setting {i}": i for i in range(20_000)}),
    "a latent of 100,000 letters": lambda meta: meta | {"latent": "x" * 100_000},
    "bounds beyond floats": lambda meta: meta | {"bounds": [0, 10**400]},
    "a list instead of layers": lambda meta: meta | {"architecture": [1]},
    "a stage that is not there": lambda meta: (
        meta | {"architecture": meta["architecture"] | {"chains": {"actor": [7]}}}
    ),
    "frames of a terabyte": lambda meta: meta | {"pixel_shape": [3, 10**6, 10**6]},
    "frames without a size": lambda meta: meta | {"pixel_shape": None},
    "empty bounds": lambda meta: meta | {"bounds": [1, -1]},
    "an unknown latent": lambda meta: meta | {"latent": "mean"},
    "a latent that is a number": lambda meta: meta | {"latent": 3},
    "no hash": lambda meta: {key: value for key, value in meta.items() if key != "hash"},
}


@pytest.mark.parametrize("change", STRANGE.values(), ids=STRANGE.keys())
def test_a_description_that_is_not_of_an_encoder_is_refused_by_name(change, tmp_path):
    path = rewritten(encoder().save(tmp_path / "encoder.safetensors"), change)
    with pytest.raises(CheckpointError, match=r"encoder\.safetensors is no encoder") as refused:
        FrozenEncoder.load(path)
    assert len(str(refused.value)) < 2_000


def test_a_damaged_file_of_data_is_refused_by_name(tmp_path):
    whole = encoder().save(tmp_path / "encoder.safetensors").read_bytes()
    damaged = tmp_path / "damaged.safetensors"
    rng = np.random.default_rng(0)
    cuts = [b"", b"{}", whole[:4], whole[: len(whole) // 2], b"\xff" * 64, b"[" * 100_000]
    flips = []
    for _ in range(60):
        changed = bytearray(whole)
        changed[rng.integers(len(whole) if rng.random() < 0.5 else 2000)] ^= 1 << rng.integers(8)
        flips.append(bytes(changed))
    for blob in cuts + flips:
        damaged.write_bytes(blob)
        with pytest.raises(CheckpointError):
            FrozenEncoder.load(damaged)


def test_a_loaded_graph_asks_nothing_of_the_device_of_its_frames(tmp_path):
    held = FrozenEncoder.load(FrozenEncoder(Towers(), SHAPE).save(tmp_path / "encoder.pt2"), trusted=True)
    names = [str(node.target) for node in held._module.graph.nodes]
    assert any("conv2d" in name for name in names) and not any("assert" in name for name in names)
