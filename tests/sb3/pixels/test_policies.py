"""Pixels in Stable-Baselines3: encoders frozen beyond doubt, heads that move, latent and augmented batches."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from gymnasium import spaces
from gymnasium.wrappers import TransformObservation
from stable_baselines3 import SAC

from synth_replay.encoders import FrozenEncoder, LatentObservation, cached_encoder
from synth_replay.errors import CheckpointError, ConfigError
from synth_replay_sb3 import (
    AugmentedReplayBuffer,
    CFGMixedBuffer,
    FrozenFeatures,
    LatentSACPolicy,
    SyntheticReplayBuffer,
    encoder_of,
    transplant,
)
from tests.conftest import TINY
from tests.encoders.helpers import Towers, distinct_frames, encoder, kept, pixel_env, pixel_rollout
from tests.sb3.pixels.helpers import (
    ARCH,
    LARGER,
    MODELS,
    SHORT,
    RestlessCnn,
    SmallCnn,
    assert_alike,
    frames,
    latent_model,
    pixel_model,
    saved,
)


@pytest.mark.parametrize("name", MODELS)
def test_an_agent_of_latents_starts_as_the_agent_of_pixels_learns_and_leaves_the_encoder_alone(name):
    source = pixel_model(name)
    path = saved(source)
    before = cached_encoder(path).hash
    model = latent_model(name, path)
    transplant(source, model)
    assert_alike(model, frames(name), source, frames(name))
    model.learn(160)
    model.policy.set_training_mode(True)
    held = [m.frozen._held[0] for m in model.policy.modules() if isinstance(m, FrozenFeatures)]
    assert len(held) >= 2 and {part.hash for part in held} == {before}
    assert not any("features_extractor" in name for name, _ in model.policy.named_parameters())
    batch = model.replay_buffer.sample(32)
    assert batch.observations.shape == (32, cached_encoder(path).layout.size)
    assert model.replay_buffer.stats.refreshes == 1


@pytest.mark.parametrize("name", ["SAC", "TD3"])
def test_critics_and_their_targets_too_start_with_the_heads_of_the_agent_of_pixels(name):
    source = pixel_model(name)
    model = latent_model(name, saved(source))
    transplant(source, model)
    rows, actions = torch.as_tensor(frames(name)[:20]), torch.as_tensor(pixel_rollout().actions[:20]) / 2
    with torch.no_grad():
        for which in ("critic", "critic_target"):
            mine, theirs = (getattr(m, which)(rows, actions) for m in (model, source))
            if which == "critic":
                np.testing.assert_allclose(torch.cat(mine).numpy(), torch.cat(theirs).numpy(), atol=1e-5)
            assert torch.cat(mine).isfinite().all()
    heads = [{k: v for k, v in m.critic_target.state_dict().items() if k.startswith("qf")} for m in (model, source)]
    assert heads[0] and all(torch.equal(value, heads[1][key]) for key, value in heads[0].items())


@pytest.mark.parametrize("name", ["SAC", "DQN"])
def test_an_agent_trained_on_latents_alone_is_transplanted_to_one_of_pixels(name):
    path = saved(pixel_model(name, 40))
    algorithm, policy, env_id = MODELS[name]
    options = {"encoder": path, "net_arch": ARCH}
    learner = algorithm(policy, LatentObservation(pixel_env(env_id), path), policy_kwargs=options, **SHORT).learn(60)
    actor = algorithm(policy, pixel_env(env_id), policy_kwargs=options, **SHORT)
    transplant(learner, actor)
    assert_alike(actor, frames(name), learner, cached_encoder(path).encode(frames(name)))


def test_the_buffer_holds_the_latents_of_what_was_added():
    path, rows = kept(encoder()), pixel_rollout()
    env = pixel_env()
    buffer = SyntheticReplayBuffer(500, env.observation_space, env.action_space, encoder=path, generator=TINY, seed=0)
    order = [*range(30), *range(150, 180)]  # a jump, as when another episode begins
    for i in order:
        end = np.array([rows.terminations[i]])
        step = (rows.observations[i : i + 1], rows.next_observations[i : i + 1], rows.actions[i : i + 1])
        buffer.add(*step, rows.rewards[i : i + 1], end, [{}])
    np.testing.assert_allclose(buffer.observations[:60, 0], encoder().encode(rows.observations[order]), atol=1e-5)
    np.testing.assert_allclose(
        buffer.next_observations[:60, 0], encoder().encode(rows.next_observations[order]), atol=1e-5
    )
    assert buffer.observations.dtype == np.float32


def test_offline_frames_are_preloaded_as_latents():
    path, rows, env = kept(encoder()), pixel_rollout(), pixel_env()
    spaces_ = (env.observation_space, env.action_space)
    buffer = SyntheticReplayBuffer.from_transitions(rows, *spaces_, encoder=path, generator=TINY, progress=False)
    np.testing.assert_allclose(buffer.observations[:, 0], encoder().encode(rows.observations), atol=1e-5)
    assert buffer.sample(16).observations.shape == (16, encoder().layout.size)


def test_a_mixed_buffer_of_latents_has_all_four_sources():
    path = kept(encoder())
    options = {"offline": pixel_rollout(), "encoder": path, "generator": TINY, "refresh_every": 120, "progress": False}
    model = SAC(
        LatentSACPolicy,
        pixel_env(),
        policy_kwargs={"encoder": path, "net_arch": ARCH},
        replay_buffer_class=CFGMixedBuffer,
        replay_buffer_kwargs=options,
        **SHORT | {"learning_starts": 0},
    )
    model.learn(130)
    assert np.bincount(model.replay_buffer.last_sources, minlength=4).min() > 0


def test_models_and_buffers_come_back_from_disk(tmp_path):
    path = encoder_of(pixel_model("SAC", 40), "concat").save(tmp_path / "encoder.safetensors")
    model = latent_model("SAC", path).learn(120)
    model.save(tmp_path / "model.zip")
    model.save_replay_buffer(tmp_path / "buffer.pkl")
    again = SAC.load(tmp_path / "model.zip", env=pixel_env(), device="cpu")
    np.testing.assert_array_equal(
        again.predict(frames("SAC"), deterministic=True)[0], model.predict(frames("SAC"), deterministic=True)[0]
    )
    again.load_replay_buffer(tmp_path / "buffer.pkl")
    again.learn(20)
    assert again.replay_buffer.pos == 140
    FrozenEncoder(Towers(sizes=(8, 8), seed=3), (6, 25, 25)).save(path)  # another encoder under the same name
    again.load_replay_buffer(tmp_path / "buffer.pkl")
    with pytest.raises(CheckpointError, match="another encoder"):
        again.learn(2)


def test_batches_of_the_augmented_buffer_are_sb3s_own_frames_augmented():
    env = pixel_env()
    options = {"augmentations": ["flip"], "frame_channels": 3, "seed": 0}
    buffers = [
        AugmentedReplayBuffer(300, env.observation_space, env.action_space, device="cpu", **options) for _ in range(2)
    ]
    rows = pixel_rollout()
    for i in range(100):
        step = (rows.observations[i : i + 1], rows.next_observations[i : i + 1], rows.actions[i : i + 1])
        for buffer in buffers:
            buffer.add(*step, rows.rewards[i : i + 1], np.zeros(1), [{}])
    inside = np.arange(40)
    found = buffers[0]._get_samples(inside)
    plain = torch.as_tensor(rows.observations[:40])
    turned = plain.flip(-1)
    same = (found.observations == plain).flatten(1).all(1)
    flipped = (found.observations == turned).flatten(1).all(1)
    assert (same | flipped).all() and same.any() and flipped.any()
    after = torch.as_tensor(rows.next_observations[:40])
    assert torch.equal(found.next_observations[~same], after.flip(-1)[~same])
    assert found.observations.dtype == torch.uint8
    pixel_model("SAC", 40, replay_buffer_class=AugmentedReplayBuffer, replay_buffer_kwargs={"seed": 0})


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_an_encoder_is_the_same_after_a_hundred_updates(name):
    path = saved(pixel_model(name))
    before = FrozenEncoder.load(path).hash
    soon = {"target_update_interval": 10} if name == "DQN" else {}
    model = latent_model(name, path, **soon).learn(150)
    model.policy.set_training_mode(True)
    model.train(gradient_steps=100, batch_size=16)
    held = [m.frozen._held[0] for m in model.policy.modules() if isinstance(m, FrozenFeatures)]
    assert {part.hash for part in held} == {before} and len(held) >= 2
    algorithm, policy, env_id = MODELS[name]
    options = {"encoder": path, "net_arch": ARCH}
    learner = algorithm(policy, LatentObservation(pixel_env(env_id), path), policy_kwargs=options, **SHORT)
    learner.set_parameters(model.get_parameters())
    rows = distinct_frames(env_id)
    actor = algorithm(policy, pixel_env(env_id), policy_kwargs=options, **SHORT)
    transplant(learner, actor)
    for one in (model, actor):
        assert_alike(one, rows, learner, FrozenEncoder.load(path).encode(rows))


@pytest.mark.parametrize("name", MODELS)
def test_an_encoder_with_batch_norm_that_runs_in_updates_on_frames_is_the_same(name):
    algorithm, policy, env_id = MODELS[name]
    source = pixel_model(name, 0, policy_kwargs={"net_arch": ARCH, "features_extractor_class": RestlessCnn})
    path = saved(source)
    before = cached_encoder(path).hash
    options, soon = {"encoder": path, "net_arch": ARCH}, {"target_update_interval": 10} if name == "DQN" else {}
    model = algorithm(policy, pixel_env(env_id), policy_kwargs=options, **SHORT | soon).learn(60)  # SB3's own buffer
    assert model.replay_buffer.observations.dtype == np.uint8
    model.policy.set_training_mode(True)
    model.train(gradient_steps=20, batch_size=16)
    held = [m.frozen._held[0] for m in model.policy.modules() if isinstance(m, FrozenFeatures)]
    assert {part.hash for part in held} == {before} and len(held) >= 2


@pytest.mark.parametrize("name", MODELS)
def test_sb3s_own_convolutions_are_frozen_and_their_heads_move(name, tmp_path):
    algorithm, policy, env_id = MODELS[name]
    env = TransformObservation(pixel_env(env_id), lambda x: x.repeat(2, 1).repeat(2, 2), LARGER)
    source = algorithm("CnnPolicy", env, policy_kwargs={"net_arch": ARCH}, **SHORT).learn(40)
    rows = np.stack([source.get_env().observation_space.sample() for _ in range(20)])
    path = encoder_of(source, bounds=(0, np.inf)).save(tmp_path / "encoder.safetensors")
    model = algorithm(policy, env, policy_kwargs={"encoder": path, "net_arch": ARCH}, **SHORT)
    transplant(source, model)
    assert_alike(model, rows, source, rows)


def test_float_frames_are_not_divided_where_sb3_does_not_divide_them():
    space = spaces.Box(0, 255, (6, 25, 25), np.float32)
    env = TransformObservation(pixel_env(), lambda frame: frame.astype(np.float32), space)
    options = {"net_arch": ARCH, "features_extractor_class": SmallCnn}
    model = SAC("MlpPolicy", env, policy_kwargs=options, **SHORT)
    rows = torch.as_tensor(pixel_rollout().observations[:8]).float()
    with torch.no_grad():
        expected = model.policy.actor.extract_features(rows, model.policy.actor.features_extractor).numpy()
    np.testing.assert_allclose(encoder_of(model, "actor").encode(rows.numpy()), expected, atol=1e-5)


def test_a_temperature_moves_with_the_heads():
    source = pixel_model("SAC", 60)
    model = latent_model("SAC", saved(source))
    assert source.log_ent_coef.item() != model.log_ent_coef.item()
    transplant(source, model)
    assert source.log_ent_coef.item() == model.log_ent_coef.item()


def test_actor_and_critic_that_share_their_extractor_have_one_feature():
    options = {"net_arch": ARCH, "features_extractor_class": SmallCnn, "share_features_extractor": True}
    source = SAC("CnnPolicy", pixel_env(), policy_kwargs=options, **SHORT)
    path = saved(source)
    assert dict(cached_encoder(path).layout.sizes) == {"actor": 8}
    model = latent_model("SAC", path)
    transplant(source, model)
    actions = source.predict(frames("SAC"), deterministic=True)[0]
    np.testing.assert_allclose(model.predict(frames("SAC"), deterministic=True)[0], actions, atol=1e-5)


def test_an_extractor_that_is_no_chain_of_its_parts_can_only_be_saved_as_code(tmp_path):
    class Scaled(SmallCnn):
        def forward(self, frames):
            return super().forward(frames) * 2

    def model(kind):
        return pixel_model("SAC", 0, policy_kwargs={"net_arch": ARCH, "features_extractor_class": kind})

    whole, chain = model(Scaled), model(SmallCnn)
    assert encoder_of(chain).save(tmp_path / "chain.safetensors").exists()
    with pytest.raises(ConfigError, match=r"not Scaled.*\.pt2"):
        encoder_of(whole).save(tmp_path / "whole.safetensors")
    shown = frames("SAC")[:5]
    held = FrozenEncoder.load(encoder_of(whole).save(tmp_path / "whole.pt2"), trusted=True)
    np.testing.assert_allclose(held.encode(shown), encoder_of(whole).encode(shown), rtol=1e-6)
