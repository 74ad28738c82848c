"""From an agent of pixels to one of latents, and back (arXiv 2508.12356, Section 3.3; SynthER, Appendix F).

``encoder_of(agent)`` freezes what an agent of pixels sees, ``latent_agent`` makes an agent that starts with its heads
and learns from latents, ``transplant`` gives the agent of pixels that acts as that one does.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

from d3rlpy.algos import QLearningAlgoBase
from torch import Tensor, nn

from synth_replay.encoders import FrozenEncoder, cached_encoder
from synth_replay.encoders.layout import CONCAT
from synth_replay.errors import ConfigError, NotFittedError
from synth_replay_d3rlpy.pixels.networks import (
    Features,
    FrameEncoder,
    FrameEncoderWithAction,
    LatentEncoderFactory,
)

Agent: TypeAlias = "QLearningAlgoBase[Any, Any]"
# d3rlpy's names of networks and factories, and the papers' names of what they read
NAMES = {"policy": "actor", "imitator": "actor", "q_funcs": "critic", "value_func": "value"}
BOUNDS = (-1.0, 1.0)


class NamedFeatures(nn.Module):
    """All features of an agent; convolutions that several of them share run once."""

    def __init__(self, features: dict[str, Features]) -> None:
        super().__init__()
        shared = {id(f.shared): f.shared for f in features.values()}
        numbers = {key: i for i, key in enumerate(shared)}
        self.convolutions = nn.ModuleList(shared.values())
        self.trunks = nn.ModuleDict({name: f.trunk for name, f in features.items()})
        self.sources = {name: numbers[id(f.shared)] for name, f in features.items()}

    def forward(self, frames: Tensor) -> dict[str, Tensor]:
        """``[n, C, H, W]`` of 0 to 255."""
        hidden = [convolutions(frames) for convolutions in self.convolutions]
        return {name: trunk(hidden[self.sources[name]]) for name, trunk in self.trunks.items()}


def encoder_of(agent: Agent, latent: str = CONCAT) -> FrozenEncoder:
    """Freezes the features of an agent that was built with :class:`TrunkEncoderFactory`.

    Args:
        agent: A built or trained d3rlpy algorithm; it is not changed, and later training does not reach the encoder.
        latent: ``concat`` (each head reads its own part), ``sum`` (the paper's Eq. 5), or one feature's name:
            ``actor``, ``critic`` (``critic_0``, ``critic_1`` where each critic has its own convolutions), ``value``.

    Raises:
        NotFittedError: If the agent has not been built.
        ConfigError: If its networks are not of :class:`TrunkEncoderFactory`.
    """
    found = _features(agent)
    shape = tuple(_impl(agent).observation_shape)
    return FrozenEncoder(NamedFeatures(found), shape, latent, BOUNDS)


def latent_agent(agent: Agent, encoder: str | Path) -> Agent:
    """An agent that learns from latents, of the same algorithm and settings, starting with the heads of ``agent``.

    Args:
        agent: The agent of pixels whose :func:`encoder_of` was saved.
        encoder: The file it was saved to.

    Returns:
        A built algorithm for observations ``[d]``.

    Raises:
        ConfigError: If the encoder is another agent's, of this architecture or another.
    """
    frozen, parts = cached_encoder(encoder), list(_features(agent))
    config = copy.deepcopy(agent.config)
    _check_scaler(config)
    for name in _factory_fields(config):
        # actor_encoder_factory makes the networks of "actor"; encoder_factory those of all there are
        mine = [part for part in parts if part.startswith(name.removesuffix("encoder_factory").rstrip("_"))]
        if not mine or len({part.partition("_")[0] for part in mine}) > 1:
            raise ConfigError(
                f"{type(agent).__name__} makes networks by its {name} that cannot be told apart. TD3+BC, DrQ+BC, IQL, "
                "CQL, SAC, AWAC, BC, DQN and discrete CQL and BC are served."
            )
        for part in mine:
            frozen.layout.part(part)
        hidden_units = getattr(config, name).hidden_units
        setattr(config, name, LatentEncoderFactory(str(Path(encoder).resolve()), mine, hidden_units))
    if encoder_of(agent, frozen.layout.latent).hash != frozen.hash:
        raise ConfigError(
            f"{encoder} is not what this agent sees: it is another agent's, or the agent has learnt on since. Its "
            "heads would read features that they do not know. Save encoder_of(agent) again."
        )
    made = config.create(device=agent._device)
    made.create_impl(frozen.space.shape, _impl(agent).action_size)
    made.set_grad_step(agent.grad_step)  # schedules go on
    _move(agent, made)
    return made


def transplant(agent: Agent) -> Agent:
    """The agent of pixels that takes the actions which ``agent`` takes on their latents.

    Args:
        agent: Made by :func:`latent_agent` and trained, or any algorithm of :class:`LatentEncoderFactory`.

    Returns:
        A built algorithm for frames ``[C, H, W]``, with the frozen encoder inside; it can be saved as usual, and needs
        the encoder's file when it is loaded.

    Raises:
        ConfigError: If the agent is not one of latents.
    """
    config = copy.deepcopy(agent.config)
    factories = [getattr(config, name) for name in _factory_fields(config)]
    if not factories or not all(isinstance(factory, LatentEncoderFactory) for factory in factories):
        raise ConfigError("transplant() takes an agent of latents: make one with latent_agent().")
    _check_scaler(config)
    made = config.create(device=agent._device)
    made.create_impl(cached_encoder(factories[0].encoder).pixel_shape, _impl(agent).action_size)
    _move(agent, made)
    return made


# -- parts of an agent --------------------------------------------------------------------------


def _impl(agent: Agent) -> Any:
    if agent.impl is None:
        raise NotFittedError("The agent has no networks yet: fit it, or call build_with_dataset().")
    return agent.impl


def _factory_fields(config: Any) -> list[str]:
    return [f.name for f in dataclasses.fields(config) if f.name.endswith("encoder_factory")]


def _networks(agent: Agent) -> Iterator[tuple[str, nn.Module]]:
    modules = _impl(agent).modules
    for held in dataclasses.fields(modules):
        if held.name in NAMES:
            yield NAMES[held.name], getattr(modules, held.name)


def _features(agent: Agent) -> dict[str, Features]:
    found: dict[str, Features] = {}
    for name, network in _networks(agent):
        encoders = [m for m in network.modules() if isinstance(m, FrameEncoder | FrameEncoderWithAction)]
        towers = [f for f in {id(e.features): e.features for e in encoders}.values() if isinstance(f, Features)]
        if not towers:
            raise ConfigError(
                f"The {name} of {type(agent).__name__} was not made by TrunkEncoderFactory: there is no trunk to "
                "take latents from. Give the algorithm's encoder_factory arguments one."
            )
        found |= {name: towers[0]} if len(towers) == 1 else {f"{name}_{i}": t for i, t in enumerate(towers)}
    return found


def _check_scaler(config: Any) -> None:
    if config.observation_scaler is not None:
        raise ConfigError("Encoders scale frames themselves: create the algorithm with observation_scaler=None.")


def _move(source: Agent, target: Agent) -> None:
    """Copies what does not see pixels: hidden layers, last layers, temperatures, of target networks too."""
    giving, taking = _impl(source).modules, _impl(target).modules
    for held in dataclasses.fields(giving):
        network = getattr(giving, held.name)
        if isinstance(network, nn.Module):
            state = {key: value for key, value in network.state_dict().items() if ".features." not in f".{key}"}
            try:
                missing, unexpected = getattr(taking, held.name).load_state_dict(state, strict=False)
            except RuntimeError as error:
                raise ConfigError(f"The heads of {held.name} do not fit this encoder: {error}") from error
            if unexpected or [key for key in missing if ".features." not in f".{key}"]:
                raise ConfigError(f"The heads of {held.name} do not fit this encoder: {missing}, {unexpected}")
