"""Encoders, agents and frames that do not belong together are refused."""

from __future__ import annotations

import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.wrappers import TransformObservation
from stable_baselines3 import PPO, SAC
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize
from torch import nn

from synth_replay.datasets import PixelEpisode, write_vd4rl_npz
from synth_replay.encoders import FeatureTowers, FrozenEncoder
from synth_replay.errors import (
    CheckpointError,
    ConfigError,
    DatasetFormatError,
    InvalidTransitionsError,
    SpecMismatchError,
)
from synth_replay_sb3 import (
    CFGMixedBuffer,
    LatentSACPolicy,
    SyntheticReplayBuffer,
    encoder_of,
    transplant,
)
from tests.conftest import TINY
from tests.encoders.helpers import Towers, encoder, kept, pixel_env
from tests.sb3.pixels.helpers import (
    ARCH,
    SHORT,
    assert_alike,
    frames,
    latent_model,
    pixel_model,
    saved,
)


def test_what_cannot_work_is_refused(tmp_path):
    path, env = kept(encoder()), pixel_env()
    with pytest.raises(ConfigError, match="policy_kwargs"):
        SAC(LatentSACPolicy, env, device="cpu", buffer_size=100)
    with pytest.raises(ConfigError, match="neither frames"):
        SAC(LatentSACPolicy, pixel_env(frames=3), policy_kwargs={"encoder": path}, device="cpu", buffer_size=100)
    with pytest.raises(SpecMismatchError, match="takes"):
        SyntheticReplayBuffer(10, pixel_env(frames=3).observation_space, env.action_space, encoder=path)
    with pytest.raises(CheckpointError, match="no encoder"):
        SyntheticReplayBuffer(10, env.observation_space, env.action_space, encoder=tmp_path / "absent.safetensors")
    with pytest.raises(ConfigError, match="no encoder of frames"):
        encoder_of(PPO("MlpPolicy", "Pendulum-v1", device="cpu"))
    wide = {"encoder": path, "net_arch": [16, 16]}
    other = SAC(LatentSACPolicy, env, policy_kwargs=wide, device="cpu", buffer_size=100)
    with pytest.raises(ConfigError, match="net_arch"):
        transplant(pixel_model("SAC", 0), other)


def test_heads_do_not_move_to_another_encoder(tmp_path):
    source, other = pixel_model("SAC", 40), pixel_model("SAC", 0, seed=1)
    mine, theirs = saved(source), encoder_of(other).save(tmp_path / "other.safetensors")
    for target in (latent_model("SAC", theirs), other):
        one = source if target is not other else latent_model("SAC", mine)
        with pytest.raises(ConfigError, match="different encoders"):
            transplant(one, target)
    with pytest.raises(ConfigError, match="different encoders"):
        transplant(latent_model("SAC", mine), latent_model("SAC", theirs))
    learner = latent_model("SAC", mine)
    transplant(learner, source)
    assert_alike(source, frames("SAC"), learner, frames("SAC"))


def test_an_agent_that_acts_is_given_frames_of_its_encoder():
    path = saved(pixel_model("SAC", 0))
    floats = spaces.Box(0, 255, (6, 25, 25), np.float32)
    env = TransformObservation(pixel_env(), lambda frame: frame.astype(np.float32), floats)
    model = SAC(LatentSACPolicy, env, policy_kwargs={"encoder": path, "net_arch": ARCH}, **SHORT)
    rows = frames("SAC")[:4].astype(np.float32)
    model.predict(rows)
    for wrong, match in ((rows / 255, "divided by 255"), (rows - 300, "0 to 255"), (rows * np.nan, "0 to 255")):
        with pytest.raises(InvalidTransitionsError, match=match):
            model.predict(wrong)


def test_a_model_does_not_load_with_another_encoder_under_the_same_name(tmp_path):
    path = encoder().save(tmp_path / "encoder.safetensors")
    options = {"encoder": path, "net_arch": ARCH}
    SAC(LatentSACPolicy, pixel_env(), policy_kwargs=options, **SHORT).save(tmp_path / "model.zip")
    FrozenEncoder(Towers(seed=3), (6, 25, 25)).save(path)
    with pytest.raises(CheckpointError, match="another encoder"):
        SAC.load(tmp_path / "model.zip", device="cpu")


def test_normalised_frames_are_refused():
    path = kept(encoder())
    env = VecNormalize(DummyVecEnv([pixel_env]))
    buffer = SyntheticReplayBuffer(100, env.observation_space, env.action_space, encoder=path, generator=TINY)
    with pytest.raises(ConfigError, match="norm_obs=False"):
        buffer.sample(4, env)


@pytest.mark.parametrize("number", [0, 1])
def test_a_broken_episode_file_is_named_and_a_whole_dataset_taken(number, tmp_path):
    path = FrozenEncoder(FeatureTowers({"actor": (nn.AvgPool2d(64), nn.Flatten())}, 255), (9, 64, 64)).save(
        tmp_path / "encoder.safetensors"
    )
    rng = np.random.default_rng(0)
    frames, actions = rng.integers(0, 256, (51, 3, 64, 64), np.uint8), rng.uniform(-1, 1, (50, 1)).astype(np.float32)
    write_vd4rl_npz(tmp_path / "d", [PixelEpisode(frames, actions, np.zeros(50), False) for _ in range(2)])
    spaces_ = spaces.Box(0, 255, (9, 64, 64), np.uint8), spaces.Box(-1, 1, (1,), np.float32)
    options = {"offline": tmp_path / "d", "encoder": path, "generator": TINY, "progress": False}
    CFGMixedBuffer(100, *spaces_, **options)
    broken = sorted((tmp_path / "d").glob("*.npz"))[number]
    broken.write_bytes(broken.read_bytes()[:-200])
    with pytest.raises(DatasetFormatError, match=rf"{broken.name}.*cut short"):
        CFGMixedBuffer(100, *spaces_, **options)
