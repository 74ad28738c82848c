"""Agents of frames, trained for a few steps."""

from __future__ import annotations

import numpy as np
import torch
from d3rlpy.algos import (
    AWACConfig,
    BCConfig,
    CQLConfig,
    DiscreteBCConfig,
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
    ReplayBuffer,
)
from d3rlpy.logging import NoopAdapterFactory

from synth_replay_d3rlpy import (
    DrQBCConfig,
    TrunkEncoderFactory,
    encoder_of,
)
from tests.encoders.helpers import kept, pixel_rollout

FRAMES = 2
QUIET = {"logger_adapter": NoopAdapterFactory(), "show_progress": False}
FACTORY = TrunkEncoderFactory(feature_size=6, hidden_units=[16])
BOTH = {"actor_encoder_factory": FACTORY, "critic_encoder_factory": FACTORY, "batch_size": 16}
IMPALA = TrunkEncoderFactory("impala", 6, [16])
SOON = {"batch_size": 16, "target_update_interval": 2}
AGENTS = {
    "DrQ+BC": (DrQBCConfig(**BOTH), "Pendulum-v1"),
    "TD3+BC": (TD3PlusBCConfig(**BOTH), "Pendulum-v1"),
    "IQL": (IQLConfig(**BOTH, value_encoder_factory=FACTORY), "Pendulum-v1"),
    "SAC": (SACConfig(**BOTH), "Pendulum-v1"),
    "CQL": (CQLConfig(**BOTH), "Pendulum-v1"),
    "DQN": (DQNConfig(encoder_factory=FACTORY, **SOON), "CartPole-v1"),
    "AWAC": (AWACConfig(**BOTH), "Pendulum-v1"),
    "BC": (BCConfig(encoder_factory=FACTORY, batch_size=16), "Pendulum-v1"),
    "discrete CQL": (DiscreteCQLConfig(encoder_factory=IMPALA, **SOON), "CartPole-v1"),
    "discrete BC": (DiscreteBCConfig(encoder_factory=FACTORY, batch_size=16), "CartPole-v1"),
}


def dataset(env_id="Pendulum-v1", picker=None, terminated=False):
    """Single frames in episodes of 50 steps, stacked by d3rlpy."""
    rows = pixel_rollout(env_id)
    frames = np.asarray(rows.observations)[:, -3:]
    actions = np.asarray(rows.actions).reshape(len(rows), -1)
    starts = range(0, len(rows), 50)
    columns = frames, actions, rows.rewards[:, None]
    episodes = [Episode(*(column[s : s + 50] for column in columns), terminated) for s in starts]
    picker = picker or FrameStackTransitionPicker(FRAMES)
    return ReplayBuffer(InfiniteBuffer(), episodes=episodes, transition_picker=picker)


def trained(name, steps=3):
    """The same agent whenever it is asked for, whose encoder is then exported once."""
    np.random.seed(1)
    torch.manual_seed(1)
    config, env_id = AGENTS[name]
    agent = config.create(device="cpu")
    agent.fit(dataset(env_id), n_steps=steps, n_steps_per_epoch=steps, **QUIET)
    return agent


def saved(agent, latent="concat"):
    return kept(encoder_of(agent, latent))


def stacks(env_id="Pendulum-v1"):
    return np.asarray(pixel_rollout(env_id).observations)


def weights(agent):
    """What its optimisers move."""
    held = [m for m in agent.impl.modules.__dict__.values() if isinstance(m, torch.nn.Module)]
    return [p.detach().clone() for m in held for p in m.parameters() if p.requires_grad]


def assert_flipped_together(found, plain):
    """Each row of a batch is the plain one or its mirror image, all frames before and after alike."""
    mirrored = plain.observations[..., ::-1]
    same, flipped = ((found.observations == seen).all((1, 2, 3)) for seen in (plain.observations, mirrored))
    assert (same | flipped).all() and (same & ~flipped).sum() > 5 and (flipped & ~same).sum() > 5
    turned = flipped & ~same
    np.testing.assert_array_equal(found.next_observations[turned], plain.next_observations[turned][..., ::-1])
    kept = same & ~flipped
    np.testing.assert_array_equal(found.next_observations[kept], plain.next_observations[kept])
