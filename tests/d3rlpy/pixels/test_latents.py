"""Pixels in d3rlpy: encoders frozen beyond doubt, heads that move, batches that are augmented."""

from __future__ import annotations

import d3rlpy
import numpy as np
import pytest
import torch
from d3rlpy.algos import (
    TD3PlusBCConfig,
)
from d3rlpy.dataset import (
    FrameStackTransitionPicker,
    MultiStepTransitionPicker,
)

from synth_replay.augment import PixelAugmenter
from synth_replay.encoders import FrozenEncoder, LatentObservation, cached_encoder
from synth_replay.errors import (
    UnsupportedBufferError,
)
from synth_replay_d3rlpy import (
    AugmentedReplayBuffer,
    CFGMixedBuffer,
    DrQBCConfig,
    LatentEncoderFactory,
    SyntheticReplayBuffer,
    encode_buffer,
    encoder_of,
    latent_agent,
    transplant,
)
from synth_replay_d3rlpy.pixels.stacking import FirstFramePicker
from tests.conftest import TINY
from tests.d3rlpy.pixels.helpers import (
    AGENTS,
    BOTH,
    FRAMES,
    QUIET,
    assert_flipped_together,
    dataset,
    saved,
    stacks,
    trained,
    weights,
)
from tests.encoders.helpers import distinct_frames, pixel_env, pixel_rollout


@pytest.mark.parametrize("name", AGENTS)
def test_an_agent_of_latents_starts_as_the_agent_of_pixels_and_learns_without_touching_the_encoder(name):
    agent = trained(name)
    env_id = AGENTS[name][1]
    path = saved(agent)
    frozen = cached_encoder(path)
    before = frozen.hash
    latent = latent_agent(agent, path)
    latents = frozen.encode(stacks(env_id))
    np.testing.assert_allclose(latent.predict(latents), agent.predict(stacks(env_id)), atol=1e-5)
    buffer = SyntheticReplayBuffer.wrap(
        encode_buffer(dataset(env_id), path), generator=TINY, extra_columns=(), device="cpu", progress=False
    )
    started = weights(latent)
    latent.fit(buffer, n_steps=20, n_steps_per_epoch=20, **QUIET)
    pixels = transplant(latent)
    np.testing.assert_allclose(pixels.predict(stacks(env_id)), latent.predict(latents), atol=1e-5)
    assert any(not torch.equal(*pair) for pair in zip(started, weights(latent), strict=True))
    assert {part.hash for part in frozen_parts(pixels)} == {before}


@pytest.mark.parametrize("latent", ["sum", "actor", "critic"])
def test_a_transplanted_agent_acts_as_the_agent_of_latents_for_every_kind_of_latent(latent):
    agent = trained("DrQ+BC")
    path = saved(agent, latent)
    learner = latent_agent(agent, path)
    learner.fit(encode_buffer(dataset(), path), n_steps=5, n_steps_per_epoch=5, **QUIET)
    actions = transplant(learner).predict(stacks())
    np.testing.assert_allclose(actions, learner.predict(cached_encoder(path).encode(stacks())), atol=1e-5)


def test_a_frozen_encoder_survives_training_on_pixels_soft_updates_and_train_mode():
    agent, before = of_frames()
    agent.fit(dataset(), n_steps=20, n_steps_per_epoch=20, **QUIET)
    agent.impl.modules.q_funcs.train()
    held = agent.impl.modules.policy._encoder.features._held[0]
    assert held.hash == before
    names = [name for name, _ in agent.impl.modules.policy.named_parameters()]
    assert names == ["_encoder.head.0.weight", "_encoder.head.0.bias", "_fc.weight", "_fc.bias"]


def of_frames():
    """TD3+BC that learns from frames through a frozen encoder, and the encoder's hash."""
    path = saved(trained("DrQ+BC"))
    factory = LatentEncoderFactory(str(path), ["actor"], [16])
    critic = LatentEncoderFactory(str(path), ["critic"], [16])
    config = TD3PlusBCConfig(actor_encoder_factory=factory, critic_encoder_factory=critic, batch_size=16)
    agent = config.create("cpu")
    agent.build_with_dataset(dataset())
    return agent, cached_encoder(path).hash


def frozen_parts(agent):
    """All frozen encoders that its networks hold."""
    held = [m for m in agent.impl.modules.__dict__.values() if isinstance(m, torch.nn.Module)]
    return [t for m in held for f in m.modules() for t in getattr(f, "_held", ()) if hasattr(t, "hash")]


def test_a_saved_agent_of_pixels_loads_with_the_same_actions(tmp_path):
    agent = trained("DrQ+BC")
    agent.save(str(tmp_path / "agent.d3"))
    again = d3rlpy.load_learnable(str(tmp_path / "agent.d3"), device="cpu")
    np.testing.assert_array_equal(again.predict(stacks()), agent.predict(stacks()))
    path = saved(agent)
    pixels = transplant(latent_agent(agent, path))
    pixels.save(str(tmp_path / "pixels.d3"))
    again = d3rlpy.load_learnable(str(tmp_path / "pixels.d3"), device="cpu")
    np.testing.assert_array_equal(again.predict(stacks()), pixels.predict(stacks()))


@pytest.mark.parametrize("picker", [FrameStackTransitionPicker(FRAMES), MultiStepTransitionPicker(3, 0.9)])
def test_encoded_episodes_are_the_encodings_of_what_the_picker_gives(picker):
    channels = 3 * (FRAMES if isinstance(picker, FrameStackTransitionPicker) else 1)
    agent = DrQBCConfig(**BOTH).create("cpu")
    agent.build_with_dataset(dataset(picker=picker))
    frozen = encoder_of(agent)
    assert frozen.pixel_shape[0] == channels
    pixels, latents = dataset(picker=picker), encode_buffer(dataset(picker=picker), frozen)
    for number, index in [(0, 0), (0, 7), (2, 45)]:
        before = pixels.transition_picker(pixels.episodes[number], index)
        after = latents.transition_picker(latents.episodes[number], index)
        np.testing.assert_allclose(after.observation, frozen.encode(before.observation[None])[0], atol=1e-5)
        np.testing.assert_allclose(after.next_observation, frozen.encode(before.next_observation[None])[0], atol=1e-5)
        np.testing.assert_array_equal(after.action, before.action)
        np.testing.assert_allclose(after.reward, before.reward)
        assert after.interval == before.interval


def test_wrapping_frames_with_an_encoder_gives_batches_of_latents():
    path = saved(trained("DrQ+BC"))
    buffer = SyntheticReplayBuffer.wrap(dataset(), encoder=path, generator=TINY, device="cpu", progress=False)
    batch = buffer.sample_transition_batch(32)
    assert batch.observations.shape == (32, 12) and np.abs(batch.observations).max() <= 1
    assert buffer.stats.refreshes == 1


def test_an_augmented_buffer_changes_the_batch_alone():
    class Inverted:
        def __call__(self, before, after):
            return 255 - before, 255 - after

    plain, augmented = dataset(), AugmentedReplayBuffer(dataset(), Inverted())
    np.random.seed(0)
    expected = plain.sample_transition_batch(16)
    np.random.seed(0)
    found = augmented.sample_transition_batch(16)
    np.testing.assert_array_equal(found.observations, 255 - expected.observations)
    np.testing.assert_array_equal(found.actions, expected.actions)
    assert augmented.transition_count == plain.transition_count
    with pytest.raises(UnsupportedBufferError, match="wrap"):
        AugmentedReplayBuffer.load(None, None)
    DrQBCConfig(**BOTH).create("cpu").fit(augmented, n_steps=2, n_steps_per_epoch=2, **QUIET)


@pytest.mark.parametrize("picker", [None, FirstFramePicker(FRAMES)])
def test_a_whole_stack_and_its_next_one_go_through_one_draw(picker):
    plain = dataset(picker=picker)
    augmented = AugmentedReplayBuffer(dataset(picker=picker), PixelAugmenter(["flip"], frame_channels=3, seed=0))
    np.random.seed(0)
    expected = plain.sample_transition_batch(64)
    np.random.seed(0)
    assert_flipped_together(augmented.sample_transition_batch(64), expected)


def test_next_observations_after_a_termination_stay_zero():
    augmented = AugmentedReplayBuffer(dataset(terminated=True), lambda before, after: (255 - before, 255 - after))
    batch = augmented.sample_transition_batch(500)
    ended = batch.terminals[:, 0] > 0
    assert ended.any() and not ended.all()
    assert not batch.next_observations[ended].any() and batch.next_observations[~ended].any((1, 2, 3)).all()


def test_a_mixed_buffer_takes_offline_frames_of_any_kind():
    agent = trained("DrQ+BC")
    path = saved(agent)
    env = LatentObservation(pixel_env(), path)
    options = {"env": env, "encoder": path, "generator": TINY, "refresh_every": 100, "device": "cpu"}
    agent = latent_agent(agent, path)
    buffer = CFGMixedBuffer(pixel_rollout(), extra_columns=(), progress=False, **options)
    agent.fit_online(env, buffer, n_steps=120, n_steps_per_epoch=60, update_start_step=100, **QUIET)
    assert buffer.stats.refreshes == 1 and np.bincount(buffer.last_sources, minlength=4).min() > 0
    batch = CFGMixedBuffer(dataset(), progress=False, **options).sample_transition_batch(8)
    assert batch.observations.shape == (8, 12)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["DrQ+BC", "IQL", "discrete CQL"])
def test_an_encoder_is_the_same_after_a_hundred_updates(name):
    agent, env_id = trained(name), AGENTS[name][1]
    path = saved(agent)
    learner = latent_agent(agent, path)
    before = FrozenEncoder.load(path).hash
    buffer = SyntheticReplayBuffer.wrap(dataset(env_id), encoder=path, generator=TINY, extra_columns=(), progress=False)
    learner.fit(buffer, n_steps=100, n_steps_per_epoch=100, **QUIET)
    actor = transplant(learner)
    assert {part.hash for part in frozen_parts(learner) + frozen_parts(actor)} == {before}
    rows = distinct_frames(env_id)
    latents = FrozenEncoder.load(path).encode(rows)
    actions = actor.predict(rows)
    np.testing.assert_allclose(actions, learner.predict(latents), atol=1e-5)
    # the best of two actions may be one for all frames; values differ
    values = actor.predict_value(rows.astype(np.float32), actions)
    np.testing.assert_allclose(values, learner.predict_value(latents, actions), rtol=1e-4, atol=1e-5)
    assert len(np.unique(values)) > 500 and np.ptp(values) > 1e-2


@pytest.mark.slow
def test_an_encoder_that_runs_in_a_hundred_updates_on_pixels_is_the_same():
    agent, before = of_frames()
    started = weights(agent)
    agent.fit(dataset(), n_steps=100, n_steps_per_epoch=100, **QUIET)
    assert {part.hash for part in frozen_parts(agent)} == {before}
    assert any(not torch.equal(*pair) for pair in zip(started, weights(agent), strict=True))


def test_values_too_are_those_of_the_agent_of_pixels():
    agent = trained("IQL")
    path = saved(agent)
    latents, actions = cached_encoder(path).encode(stacks()), np.asarray(pixel_rollout().actions)
    found = latent_agent(agent, path).predict_value(latents, actions)
    np.testing.assert_allclose(found, agent.predict_value(stacks().astype(np.float32), actions), atol=1e-5)


def test_steps_of_a_pixel_environment_are_stored_as_latents():
    agent = trained("DrQ+BC")
    path = saved(agent)
    actor = transplant(latent_agent(agent, path))
    buffer = SyntheticReplayBuffer.wrap(dataset(), encoder=path, generator=TINY, extra_columns=(), progress=False)
    rows = buffer.transition_count
    actor.fit_online(pixel_env(), buffer, n_steps=210, n_steps_per_epoch=210, update_start_step=205, **QUIET)
    assert buffer.transition_count > rows
    assert buffer.episodes[-1].observations.shape[1:] == (12,)
