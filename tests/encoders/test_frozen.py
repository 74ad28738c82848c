"""Encoders are functions of pixels, saved without code, and refuse frames that they were not made for."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env
from torch import nn

from synth_replay.encoders import FeatureTowers, FrozenEncoder, LatentObservation
from synth_replay.errors import CheckpointError, ConfigError, InvalidTransitionsError, SpecMismatchError
from tests.encoders.helpers import SHAPE, Towers, encoder, pixel_env, pixel_rollout


def features(frames):
    with torch.no_grad():
        return {name: f.numpy() for name, f in Towers()(torch.as_tensor(frames).float()).items()}


@pytest.mark.parametrize(
    ("latent", "naive"),
    [
        ("sum", lambda f: f["actor"] + f["critic"]),
        ("concat", lambda f: np.concatenate([f["actor"], f["critic"]], 1)),
        ("actor", lambda f: f["actor"]),
        ("critic", lambda f: f["critic"]),
    ],
)
def test_a_latent_is_made_of_the_features_in_the_papers_ways(latent, naive):
    frames = pixel_rollout().observations
    latents = encoder(latent).encode(frames)
    np.testing.assert_allclose(latents, naive(features(frames)), atol=1e-6)
    assert latents.dtype == np.float32 and all(encoder(latent).space.contains(row) for row in latents)


def test_heads_read_their_own_part_of_a_concatenation_and_all_of_anything_else():
    layout = FrozenEncoder(Towers(sizes=(8, 5)), SHAPE, "concat").layout
    assert (layout.part("actor"), layout.part("critic"), layout.size) == (slice(0, 8), slice(8, 13), 13)
    assert encoder("sum").layout.part("critic") == encoder("sum").layout.part("actor") == slice(0, 8)
    assert encoder("sum").space.high[0] == 2 and encoder("actor").space.high[0] == 1


@pytest.mark.parametrize("architecture", ["drq", "impala"])
def test_a_saved_encoder_gives_the_same_latents_and_hash(architecture, tmp_path):
    made = FrozenEncoder(Towers(architecture), SHAPE, "sum", (-1, 1))
    held = FrozenEncoder.load(made.save(tmp_path / "encoder.safetensors"))
    frames = pixel_rollout().observations
    np.testing.assert_array_equal(made.encode(frames), held.encode(frames))
    assert made.hash == held.hash and made.space == held.space


def test_batch_norm_and_dropout_stand_still_in_memory_and_from_a_file(tmp_path):
    body = nn.Sequential(nn.Flatten(), nn.Linear(math.prod(SHAPE), 6), nn.BatchNorm1d(6), nn.Dropout(0.5))
    made = FrozenEncoder(FeatureTowers({"actor": (body,)}, divisor=255).train(), SHAPE)
    held = FrozenEncoder.load(made.save(tmp_path / "encoder.safetensors"))
    frames = pixel_rollout().observations
    for one in (made, held):
        before, latents = one.hash, one.encode(frames)
        for _ in range(20):
            np.testing.assert_array_equal(one.encode(frames), latents)
        assert one.hash == before
    np.testing.assert_allclose(held.encode(frames), made.encode(frames), atol=1e-6)


def test_a_file_whose_weights_are_not_those_that_were_saved_is_refused(tmp_path, monkeypatch):
    made = encoder("sum")
    monkeypatch.setattr(FrozenEncoder, "hash", "of another")
    path = made.save(tmp_path / "encoder.safetensors")
    monkeypatch.undo()
    with pytest.raises(CheckpointError, match="has changed since it was saved"):
        FrozenEncoder.load(path)


def test_training_the_module_does_not_reach_the_encoder():
    module = Towers()
    made = FrozenEncoder(module, SHAPE)
    before = made.hash
    optimizer = torch.optim.SGD(module.parameters(), lr=1.0)
    sum(f.square().sum() for f in module(torch.rand(4, *SHAPE)).values()).backward()
    optimizer.step()
    assert made.hash == before != FrozenEncoder(module, SHAPE).hash
    assert made(torch.rand(2, *SHAPE)).requires_grad is False
    assert copy.deepcopy(made) is made


def test_the_hash_tells_weights_latents_and_frames_apart():
    found = {encoder("sum").hash, encoder("concat").hash, FrozenEncoder(Towers(seed=1), SHAPE, "sum", (-1, 1)).hash}
    assert len(found) == 3


@pytest.mark.filterwarnings("ignore:.*different from the unwrapped", "ignore:.*symmetric and normalized")
def test_an_environment_of_latents_passes_gymnasiums_checker_and_follows_the_pixels():
    env = LatentObservation(pixel_env(), encoder())
    check_env(env, skip_render_check=True)
    latent, pixels = env.reset(seed=3)[0], pixel_env().reset(seed=3)[0]
    np.testing.assert_allclose(latent, encoder().encode(pixels[None])[0])


@pytest.mark.parametrize(
    ("frames", "error", "match"),
    [
        (np.zeros((2, 25, 25, 6), np.uint8), SpecMismatchError, "channels first"),
        (np.zeros((2, 6, 24, 25), np.uint8), SpecMismatchError, "encoder of these frames"),
        (np.full((2, *SHAPE), 256.0), InvalidTransitionsError, "0 to 255"),
        (np.full((2, *SHAPE), -1.0), InvalidTransitionsError, "0 to 255"),
        (np.full((2, *SHAPE), np.nan), InvalidTransitionsError, "0 to 255"),
        (np.full((2, *SHAPE), 0.5), InvalidTransitionsError, "divided by 255"),
    ],
)
def test_frames_that_it_was_not_made_for_are_refused(frames, error, match):
    with pytest.raises(error, match=match):
        encoder().encode(frames)


def test_modules_and_layouts_that_cannot_work_are_refused():
    with pytest.raises(ConfigError, match="dict of features"):
        FrozenEncoder(torch.nn.Flatten(), SHAPE)
    with pytest.raises(ConfigError, match="sum, concat, actor, critic"):
        FrozenEncoder(Towers(), SHAPE, "mean")
    with pytest.raises(ConfigError, match="cannot be added"):
        FrozenEncoder(Towers(sizes=(8, 5)), SHAPE, "sum")
    with pytest.raises(ConfigError, match="not 'value'"):
        encoder().layout.part("value")
    with pytest.raises(SpecMismatchError, match="stacked frames, channels first"):
        LatentObservation(pixel_env(frames=3), encoder())


def test_files_that_are_no_encoders_are_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"ends in \.safetensors, or in \.pt2"):
        encoder().save(tmp_path / "encoder.pth")
    with pytest.raises(CheckpointError, match="no encoder"):
        FrozenEncoder.load(tmp_path / "absent.safetensors")
    path = encoder().save(tmp_path / "encoder.safetensors")
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(CheckpointError, match="cut short"):
        FrozenEncoder.load(path)
