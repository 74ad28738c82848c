"""From a d3rlpy agent on pixels to one on latents, and back (arXiv 2508.12356, Section 3.3; SynthER, Appendix F).

``encoder_of(agent)`` freezes the features of an agent on pixels, ``latent_agent`` makes an agent that starts with its
heads and learns from latents, ``transplant`` puts the trained heads back on the encoder, for an agent that acts on
frames.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from synth_replay.encoders import FeatureTowers, FrozenEncoder, cached_encoder
from synth_replay.encoders.layout import CONCAT
from synth_replay.errors import ConfigError
from synth_replay_d3rlpy.pixels.factories import LatentEncoderFactory
from synth_replay_d3rlpy.pixels.heads import Agent, built, copy_heads, factory_fields, trunk_features

TANH_BOUNDS = (-1.0, 1.0)


def encoder_of(agent: Agent, latent: str = CONCAT) -> FrozenEncoder:
    """Freezes the features of an agent that was built with :class:`TrunkEncoderFactory`.

    Args:
        agent: Built or trained d3rlpy algorithm; it is not changed, and its later training does not change the encoder.
        latent: ``concat`` (each head reads its own part), ``sum`` (arXiv 2508.12356, Eq. 5), or one feature's name:
            ``actor``, ``critic`` (``critic_0``, ``critic_1`` where each critic has its own convolutions), ``value``.

    Raises:
        NotFittedError: If the agent has not been built.
        ConfigError: If its networks were not made by :class:`TrunkEncoderFactory`.
    """
    towers = FeatureTowers({name: (f.layers, f.trunk) for name, f in trunk_features(agent).items()})
    return FrozenEncoder(towers, tuple(built(agent).observation_shape), latent, TANH_BOUNDS)


def latent_agent(agent: Agent, encoder: str | Path) -> Agent:
    """Makes an agent that learns from latents, with the algorithm, settings and heads of ``agent``.

    Args:
        agent: Agent on pixels whose :func:`encoder_of` was saved.
        encoder: File to which the encoder was saved.

    Returns:
        A built algorithm for observations ``[d]``, with the gradient step of ``agent``.

    Raises:
        CheckpointError: If the file is not an encoder.
        ConfigError: If the encoder was saved from another agent, or from this one before further training.
    """
    frozen = cached_encoder(encoder)
    config = copy.deepcopy(agent.config)
    _check_scaler(config)
    _use_latent_factories(config, agent, frozen, Path(encoder))
    if encoder_of(agent, frozen.layout.latent).hash != frozen.hash:
        raise ConfigError(
            f"{encoder} is not the encoder of this agent: it was saved from another agent, or this one has been "
            "trained since. The heads would read features that they were not trained on. Save encoder_of(agent) again."
        )
    made = config.create(device=agent._device)
    made.create_impl(frozen.space.shape, built(agent).action_size)
    made.set_grad_step(agent.grad_step)  # schedules continue
    copy_heads(agent, made)
    return made


def transplant(agent: Agent) -> Agent:
    """Makes the agent on pixels that takes the same actions as an agent on latents.

    Args:
        agent: Trained agent of :func:`latent_agent`, or any algorithm with :class:`LatentEncoderFactory`.

    Returns:
        A built algorithm for frames ``[C, H, W]`` with the frozen encoder inside. It can be saved as usual; loading
        needs the encoder's file.

    Raises:
        ConfigError: If the agent is not on latents.
    """
    config = copy.deepcopy(agent.config)
    factories = [getattr(config, name) for name in factory_fields(config)]
    if not factories or not all(isinstance(factory, LatentEncoderFactory) for factory in factories):
        raise ConfigError("transplant() takes an agent on latents. Make one with latent_agent().")
    _check_scaler(config)
    made = config.create(device=agent._device)
    made.create_impl(cached_encoder(factories[0].encoder).pixel_shape, built(agent).action_size)
    copy_heads(agent, made)
    return made


def _use_latent_factories(config: Any, agent: Agent, frozen: FrozenEncoder, encoder: Path) -> None:
    """Replaces every encoder factory of a d3rlpy config by one on the frozen encoder."""
    parts = list(trunk_features(agent))
    for name in factory_fields(config):
        # actor_encoder_factory makes the networks of "actor"; encoder_factory makes all networks
        own = [part for part in parts if part.startswith(name.removesuffix("encoder_factory").rstrip("_"))]
        if not own or len({part.partition("_")[0] for part in own}) > 1:
            raise ConfigError(
                f"{type(agent).__name__} builds several networks with its {name}, and their features share one "
                "name. Use TD3+BC, DrQ+BC, IQL, CQL, SAC, AWAC, BC, DQN, discrete CQL or discrete BC."
            )
        for part in own:
            frozen.layout.part(part)  # raises ConfigError for an encoder without this feature
        hidden_units = getattr(config, name).hidden_units
        setattr(config, name, LatentEncoderFactory(str(encoder.resolve()), own, hidden_units))


def _check_scaler(config: Any) -> None:
    if config.observation_scaler is not None:
        raise ConfigError("Encoders scale frames themselves: create the algorithm with observation_scaler=None.")
