"""Pixels in d3rlpy: encoders frozen beyond doubt, heads that move, batches that are augmented."""

from __future__ import annotations

from contextlib import nullcontext

import d3rlpy
import numpy as np
import pytest
import torch
from d3rlpy.algos import (
    AWACConfig,
    BCConfig,
    CQLConfig,
    DiscreteBCConfig,
    DiscreteBCQConfig,
    DiscreteCQLConfig,
    DQNConfig,
    IQLConfig,
    SACConfig,
    TD3PlusBCConfig,
)
from d3rlpy.dataset import (
    Episode,
    FrameStackTransitionPicker,
    InfiniteBuffer,
    MultiStepTransitionPicker,
    ReplayBuffer,
)
from d3rlpy.logging import NoopAdapterFactory
from d3rlpy.torch_utility import TorchMiniBatch
from synth_replay_d3rlpy import (
    AugmentedReplayBuffer,
    CFGMixedBuffer,
    DrQBCConfig,
    LatentEncoderFactory,
    SyntheticReplayBuffer,
    TrunkEncoderFactory,
    encode_buffer,
    encoder_of,
    latent_agent,
    transplant,
)

from synth_replay.encoders import FrozenEncoder, LatentObservation
from synth_replay.errors import (
    CheckpointError,
    ConfigError,
    NotFittedError,
    SpecMismatchError,
    UnsupportedBufferError,
)
from tests.conftest import TINY
from tests.encoders.helpers import pixel_env, pixel_rollout

FRAMES = 2
QUIET = {"logger_adapter": NoopAdapterFactory(), "show_progress": False}
FACTORY = TrunkEncoderFactory(feature_size=6, hidden_units=[16])
BOTH = {"actor_encoder_factory": FACTORY, "critic_encoder_factory": FACTORY, "batch_size": 16}
IMPALA = TrunkEncoderFactory("impala", 6, [16])
AGENTS = {
    "DrQ+BC": (DrQBCConfig(**BOTH), "Pendulum-v1"),
    "TD3+BC": (TD3PlusBCConfig(**BOTH), "Pendulum-v1"),
    "IQL": (IQLConfig(**BOTH, value_encoder_factory=FACTORY), "Pendulum-v1"),
    "SAC": (SACConfig(**BOTH), "Pendulum-v1"),
    "CQL": (CQLConfig(**BOTH), "Pendulum-v1"),
    "DQN": (DQNConfig(encoder_factory=IMPALA, batch_size=16), "CartPole-v1"),
    "AWAC": (AWACConfig(**BOTH), "Pendulum-v1"),
    "BC": (BCConfig(encoder_factory=FACTORY, batch_size=16), "Pendulum-v1"),
    "discrete CQL": (DiscreteCQLConfig(encoder_factory=IMPALA, batch_size=16), "CartPole-v1"),
    "discrete BC": (DiscreteBCConfig(encoder_factory=IMPALA, batch_size=16), "CartPole-v1"),
}


def dataset(env_id="Pendulum-v1", picker=None):
    """Single frames in episodes of 50 steps, stacked by d3rlpy."""
    rows = pixel_rollout(env_id)
    frames = np.asarray(rows.observations)[:, -3:]
    actions = np.asarray(rows.actions).reshape(len(rows), -1)
    starts = range(0, len(rows), 50)
    episodes = [Episode(frames[s : s + 50], actions[s : s + 50], rows.rewards[s : s + 50, None], False) for s in starts]
    picker = picker or FrameStackTransitionPicker(FRAMES)
    return ReplayBuffer(InfiniteBuffer(), episodes=episodes, transition_picker=picker)


def trained(name, steps=3):
    config, env_id = AGENTS[name]
    agent = config.create(device="cpu")
    agent.fit(dataset(env_id), n_steps=steps, n_steps_per_epoch=steps, **QUIET)
    return agent


def saved(agent, tmp_path, latent="concat"):
    return encoder_of(agent, latent).save(tmp_path / f"{latent}.pt2")


def stacks(env_id="Pendulum-v1"):
    return np.asarray(pixel_rollout(env_id).observations)


def weights(agent):
    """What its optimisers move."""
    held = [m for m in agent.impl.modules.__dict__.values() if isinstance(m, torch.nn.Module)]
    return [p.detach().clone() for m in held for p in m.parameters() if p.requires_grad]


@pytest.mark.parametrize("name", AGENTS)
def test_an_agent_of_latents_starts_as_the_agent_of_pixels_and_learns_without_touching_the_encoder(name, tmp_path):
    agent = trained(name)
    env_id = AGENTS[name][1]
    path = saved(agent, tmp_path)
    frozen = FrozenEncoder.load(path)
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
    held = [m for m in pixels.impl.modules.__dict__.values() if isinstance(m, torch.nn.Module)]
    frozen_parts = [t for m in held for f in m.modules() for t in getattr(f, "_held", ()) if hasattr(t, "hash")]
    assert frozen_parts and {part.hash for part in frozen_parts} == {before}


@pytest.mark.parametrize("latent", ["sum", "actor", "critic"])
def test_a_transplanted_agent_acts_as_the_agent_of_latents_for_every_kind_of_latent(latent, tmp_path):
    agent = trained("DrQ+BC")
    path = saved(agent, tmp_path, latent)
    learner = latent_agent(agent, path)
    learner.fit(encode_buffer(dataset(), path), n_steps=5, n_steps_per_epoch=5, **QUIET)
    actions = transplant(learner).predict(stacks())
    np.testing.assert_allclose(actions, learner.predict(FrozenEncoder.load(path).encode(stacks())), atol=1e-5)


def test_a_frozen_encoder_survives_training_on_pixels_soft_updates_and_train_mode(tmp_path):
    path = saved(trained("DrQ+BC"), tmp_path)
    factory = LatentEncoderFactory(str(path), ["actor"], [16])
    critic = LatentEncoderFactory(str(path), ["critic"], [16])
    agent = TD3PlusBCConfig(actor_encoder_factory=factory, critic_encoder_factory=critic, batch_size=16).create("cpu")
    before = FrozenEncoder.load(path).hash
    agent.fit(dataset(), n_steps=20, n_steps_per_epoch=20, **QUIET)
    agent.impl.modules.q_funcs.train()
    held = agent.impl.modules.policy._encoder.features._held[0]
    assert held.hash == before
    names = [name for name, _ in agent.impl.modules.policy.named_parameters()]
    assert names == ["_encoder.head.0.weight", "_encoder.head.0.bias", "_fc.weight", "_fc.bias"]


def test_drq_trains_its_convolutions_by_the_critic_alone():
    agent = trained("DrQ+BC")
    modules, conv = agent.impl.modules, agent.impl.modules.q_funcs[0]._encoder.features.convolutions
    assert modules.q_funcs[1]._encoder.features is modules.q_funcs[0]._encoder.features
    assert modules.policy._encoder.features.shared is conv
    assert not any("convolutions" in name for name, _ in modules.policy.named_parameters())
    target = modules.targ_q_funcs[0]._encoder.features.convolutions
    assert target is not conv
    batch = dataset().sample_transition_batch(8)
    modules.policy.zero_grad(), modules.q_funcs.zero_grad()
    modules.policy(torch.as_tensor(batch.observations)).squashed_mu.sum().backward()
    assert all(p.grad is None or not p.grad.any() for p in conv.parameters())
    assert any(p.grad.any() for p in modules.policy.parameters())


def test_drq_noise_shrinks_linearly():
    agent = DrQBCConfig(**BOTH, noise_steps=10).create("cpu")
    agent.fit(dataset(), n_steps=5, n_steps_per_epoch=5, **QUIET)
    assert agent.impl._target_smoothing_sigma == pytest.approx(1.0 - 0.9 * agent.grad_step / 10, abs=0.1)
    agent.fit(dataset(), n_steps=10, n_steps_per_epoch=10, **QUIET)
    assert agent.impl._target_smoothing_sigma == pytest.approx(0.1)


def test_a_saved_agent_of_pixels_loads_with_the_same_actions(tmp_path):
    agent = trained("DrQ+BC")
    agent.save(str(tmp_path / "agent.d3"))
    again = d3rlpy.load_learnable(str(tmp_path / "agent.d3"), device="cpu")
    np.testing.assert_array_equal(again.predict(stacks()), agent.predict(stacks()))
    path = saved(agent, tmp_path)
    pixels = transplant(latent_agent(agent, path))
    pixels.save(str(tmp_path / "pixels.d3"))
    again = d3rlpy.load_learnable(str(tmp_path / "pixels.d3"), device="cpu")
    np.testing.assert_array_equal(again.predict(stacks()), pixels.predict(stacks()))


@pytest.mark.parametrize("picker", [FrameStackTransitionPicker(FRAMES), MultiStepTransitionPicker(3, 0.9)])
def test_encoded_episodes_are_the_encodings_of_what_the_picker_gives(picker, tmp_path):
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


def test_wrapping_frames_with_an_encoder_gives_batches_of_latents(tmp_path):
    path = saved(trained("DrQ+BC"), tmp_path)
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


def test_what_cannot_work_is_refused(tmp_path):
    with pytest.raises(NotFittedError, match="no networks"):
        encoder_of(DrQBCConfig(**BOTH).create("cpu"))
    plain = TD3PlusBCConfig(batch_size=16).create("cpu")
    plain.create_impl((3,), 1)
    with pytest.raises(ConfigError, match="TrunkEncoderFactory"):
        encoder_of(plain)
    with pytest.raises(ConfigError, match="transplant"):
        transplant(trained("DrQ+BC"))
    with pytest.raises(ConfigError, match="TrunkEncoderFactory"):
        DrQBCConfig(actor_encoder_factory=d3rlpy.models.VectorEncoderFactory()).create("cpu")
    agent = trained("DrQ+BC")
    path = saved(agent, tmp_path)
    with pytest.raises(SpecMismatchError, match="encoder of these frames"):
        encode_buffer(dataset(picker=FrameStackTransitionPicker(3)), path)
    with pytest.raises(ConfigError, match="neither frames"):
        latent_agent(agent, path).config.create("cpu").create_impl((5,), 1)
    scaled = DrQBCConfig(**BOTH, observation_scaler=d3rlpy.preprocessing.PixelObservationScaler()).create("cpu")
    scaled.fit(dataset(), n_steps=1, n_steps_per_epoch=1, **QUIET)
    with pytest.raises(ConfigError, match="observation_scaler=None"):
        latent_agent(scaled, path)


def test_an_encoder_of_another_architecture_is_refused(tmp_path):
    path = saved(trained("IQL"), tmp_path)
    with pytest.raises(ConfigError, match="not 'critic'"):
        latent_agent(trained("DrQ+BC"), path)


def test_a_mixed_buffer_takes_offline_frames_of_any_kind(tmp_path):
    path = saved(trained("DrQ+BC"), tmp_path)
    env = LatentObservation(pixel_env(), path)
    options = {"env": env, "encoder": path, "generator": TINY, "refresh_every": 100, "device": "cpu"}
    agent = latent_agent(trained("DrQ+BC"), path)
    buffer = CFGMixedBuffer(pixel_rollout(), extra_columns=(), progress=False, **options)
    agent.fit_online(env, buffer, n_steps=120, n_steps_per_epoch=60, update_start_step=100, **QUIET)
    assert buffer.stats.refreshes == 1 and np.bincount(buffer.last_sources, minlength=4).min() > 0
    batch = CFGMixedBuffer(dataset(), progress=False, **options).sample_transition_batch(8)
    assert batch.observations.shape == (8, 12)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["DrQ+BC", "IQL"])
def test_an_encoder_is_the_same_after_two_thousand_updates(name, tmp_path):
    path = saved(trained(name), tmp_path)
    learner = latent_agent(trained(name), path)
    held = learner.impl.modules.policy._encoder.features._held[0]
    before = held.hash
    buffer = SyntheticReplayBuffer.wrap(dataset(), encoder=path, generator=TINY, extra_columns=(), progress=False)
    learner.fit(buffer, n_steps=2_000, n_steps_per_epoch=2_000, **QUIET)
    assert held.hash == before == FrozenEncoder.load(path).hash
    rows = np.concatenate([stacks()] * 4)  # 1,000 observations
    actions = transplant(learner).predict(rows)
    np.testing.assert_allclose(actions, learner.predict(FrozenEncoder.load(path).encode(rows)), atol=1e-5)


def test_an_agent_does_not_load_with_another_encoder_under_the_same_name(tmp_path):
    agent = trained("DrQ+BC")
    path = saved(agent, tmp_path)
    transplant(latent_agent(agent, path)).save(str(tmp_path / "agent.d3"))
    encoder_of(trained("DrQ+BC", 6)).save(path)
    with pytest.raises(CheckpointError, match="another encoder"):
        d3rlpy.load_learnable(str(tmp_path / "agent.d3"), device="cpu")


def test_an_algorithm_whose_networks_cannot_be_told_apart_is_refused(tmp_path):
    agent = DiscreteBCQConfig(encoder_factory=IMPALA, batch_size=8).create("cpu")
    agent.fit(dataset("CartPole-v1"), n_steps=1, n_steps_per_epoch=1, **QUIET)
    path = saved(agent, tmp_path)
    with pytest.raises(ConfigError, match="told apart"):
        latent_agent(agent, path)


def test_values_too_are_those_of_the_agent_of_pixels(tmp_path):
    agent = trained("IQL")
    path = saved(agent, tmp_path)
    latents, actions = FrozenEncoder.load(path).encode(stacks()), np.asarray(pixel_rollout().actions)
    found = latent_agent(agent, path).predict_value(latents, actions)
    np.testing.assert_allclose(found, agent.predict_value(stacks().astype(np.float32), actions), atol=1e-5)


def test_steps_of_a_pixel_environment_are_stored_as_latents(tmp_path):
    path = saved(trained("DrQ+BC"), tmp_path)
    actor = transplant(latent_agent(trained("DrQ+BC"), path))
    buffer = SyntheticReplayBuffer.wrap(dataset(), encoder=path, generator=TINY, extra_columns=(), progress=False)
    rows = buffer.transition_count
    actor.fit_online(pixel_env(), buffer, n_steps=210, n_steps_per_epoch=210, update_start_step=205, **QUIET)
    assert buffer.transition_count > rows
    assert buffer.episodes[-1].observations.shape[1:] == (12,)


def test_noise_goes_on_where_the_agent_of_pixels_stopped(tmp_path):
    agent = DrQBCConfig(**BOTH, noise_steps=10).create("cpu")
    agent.fit(dataset(), n_steps=10, n_steps_per_epoch=10, **QUIET)
    learner = latent_agent(agent, saved(agent, tmp_path))
    learner.fit(encode_buffer(dataset(), tmp_path / "concat.pt2"), n_steps=1, n_steps_per_epoch=1, **QUIET)
    assert learner.impl._target_smoothing_sigma == pytest.approx(0.1)


def test_the_gradient_passes_an_action_that_is_clipped():
    agent = trained("DrQ+BC")
    action = torch.full((64, 1), 0.999, requires_grad=True)
    noisy = agent.impl._noisy(action)
    noisy.sum().backward()
    assert noisy.max() <= 1 and torch.equal(action.grad, torch.ones(64, 1))


def test_sharing_a_run_of_the_convolutions_changes_no_gradient():
    agent = trained("DrQ+BC", 1)
    modules, batch = (
        agent.impl.modules,
        TorchMiniBatch.from_batch(
            dataset().sample_transition_batch(8), 0.99, compute_returns_to_go=False, device="cpu"
        ),
    )
    grads = []
    for shared in (True, False):
        torch.manual_seed(0)
        modules.critic_optim.zero_grad()
        conv = modules.q_funcs[0]._encoder.features.shared
        with conv.held(True) if shared else nullcontext():
            target = agent.impl.compute_target(batch)
            agent.impl.compute_critic_loss(batch, target).critic_loss.backward()
        grads.append([p.grad.clone() for p in modules.q_funcs.parameters()])
    for ours, plain in zip(*grads, strict=True):
        np.testing.assert_allclose(ours.numpy(), plain.numpy(), atol=1e-5)
    assert any(g.abs().max() > 0 for g in grads[0])
