"""Encoders, agents and frames that do not belong together are refused."""

from __future__ import annotations

import d3rlpy
import numpy as np
import pytest
from d3rlpy.algos import (
    DiscreteBCQConfig,
    TD3PlusBCConfig,
)
from d3rlpy.dataset import (
    FrameStackTransitionPicker,
)

from synth_replay.errors import (
    CheckpointError,
    ConfigError,
    InvalidTransitionsError,
    NotFittedError,
    SpecMismatchError,
)
from synth_replay_d3rlpy import (
    DrQBCConfig,
    TrunkEncoderFactory,
    encode_buffer,
    encoder_of,
    latent_agent,
    transplant,
)
from tests.d3rlpy.pixels.helpers import (
    BOTH,
    IMPALA,
    QUIET,
    dataset,
    saved,
    stacks,
    trained,
)


def test_what_cannot_work_is_refused():
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
    path = saved(agent)
    with pytest.raises(SpecMismatchError, match="encoder of these frames"):
        encode_buffer(dataset(picker=FrameStackTransitionPicker(3)), path)
    with pytest.raises(ConfigError, match="neither frames"):
        latent_agent(agent, path).config.create("cpu").create_impl((5,), 1)
    scaled = DrQBCConfig(**BOTH, observation_scaler=d3rlpy.preprocessing.PixelObservationScaler()).create("cpu")
    scaled.fit(dataset(), n_steps=1, n_steps_per_epoch=1, **QUIET)
    with pytest.raises(ConfigError, match="observation_scaler=None"):
        latent_agent(scaled, path)


def test_an_encoder_of_another_architecture_is_refused():
    path = saved(trained("IQL"))
    with pytest.raises(ConfigError, match="not 'critic'"):
        latent_agent(trained("DrQ+BC"), path)


@pytest.mark.parametrize("architecture", ["drq", "impala"])
def test_the_encoder_of_another_agent_is_refused_even_if_its_latents_have_this_ones_size(architecture):
    factory = TrunkEncoderFactory(architecture, 6, [16])
    other = DrQBCConfig(actor_encoder_factory=factory, critic_encoder_factory=factory, batch_size=16).create("cpu")
    other.build_with_dataset(dataset())
    path = saved(other)
    latent_agent(other, path)
    agent = trained("DrQ+BC")
    with pytest.raises(ConfigError, match="not the encoder of this agent"):
        latent_agent(agent, path)
    path = saved(agent)
    agent.fit(dataset(), n_steps=1, n_steps_per_epoch=1, **QUIET)
    with pytest.raises(ConfigError, match="trained since"):
        latent_agent(agent, path)


def test_a_transplanted_agent_refuses_frames_that_its_encoder_does_not_know():
    agent = trained("DrQ+BC")
    learner = latent_agent(agent, saved(agent))
    actor, rows = transplant(learner), stacks()[:4]
    floats = rows.astype(np.float32)
    np.testing.assert_array_equal(actor.predict(floats), actor.predict(rows))
    for wrong, match in ((floats / 255, "divided by 255"), (floats - 300, "0 to 255"), (floats * np.nan, "0 to 255")):
        with pytest.raises(InvalidTransitionsError, match=match):
            actor.predict(wrong)
    for wrong, match in ((np.moveaxis(rows, 1, -1), "channels first"), (rows[:, :, 1:], "encoder of these frames")):
        with pytest.raises(SpecMismatchError, match=match):
            actor.predict(wrong)
    with pytest.raises(SpecMismatchError, match="Latents have"):
        learner.predict(np.zeros((4, 13), np.float32))


def test_an_agent_does_not_load_with_another_encoder_under_the_same_name(tmp_path):
    agent = trained("DrQ+BC")
    path = encoder_of(agent).save(tmp_path / "encoder.safetensors")
    transplant(latent_agent(agent, path)).save(str(tmp_path / "agent.d3"))
    encoder_of(trained("DrQ+BC", 6)).save(path)
    with pytest.raises(CheckpointError, match="another encoder"):
        d3rlpy.load_learnable(str(tmp_path / "agent.d3"), device="cpu")


def test_an_algorithm_whose_networks_cannot_be_told_apart_is_refused():
    agent = DiscreteBCQConfig(encoder_factory=IMPALA, batch_size=8).create("cpu")
    agent.fit(dataset("CartPole-v1"), n_steps=1, n_steps_per_epoch=1, **QUIET)
    path = saved(agent)
    with pytest.raises(ConfigError, match="share one name"):
        latent_agent(agent, path)
