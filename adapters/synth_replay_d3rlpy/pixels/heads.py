"""The networks of a d3rlpy agent: their features, and the heads on top of them."""

from __future__ import annotations

import dataclasses
from typing import Any, TypeAlias

from d3rlpy.algos import QLearningAlgoBase
from torch import nn

from synth_replay.errors import ConfigError, NotFittedError
from synth_replay_d3rlpy.pixels.networks import FrameEncoder, FrameEncoderWithAction, TrunkFeatures

Agent: TypeAlias = "QLearningAlgoBase[Any, Any]"
# d3rlpy's networks, and the papers' names of the features that they read
FEATURE_NAMES = {"policy": "actor", "imitator": "actor", "q_funcs": "critic", "value_func": "value"}


def built(agent: Agent) -> Any:
    """Returns d3rlpy's implementation object of an agent, which holds its networks.

    Raises:
        NotFittedError: If the agent has not been built.
    """
    if agent.impl is None:
        raise NotFittedError("The agent has no networks yet: fit it, or call build_with_dataset().")
    return agent.impl


def factory_fields(config: Any) -> list[str]:
    """Returns the names of a d3rlpy config's fields that hold encoder factories."""
    return [f.name for f in dataclasses.fields(config) if f.name.endswith("encoder_factory")]


def trunk_features(agent: Agent) -> dict[str, TrunkFeatures]:
    """Returns the features of an agent by the papers' names: ``actor``, ``critic``, ``critic_0``, ``value``.

    Raises:
        NotFittedError: If the agent has not been built.
        ConfigError: If its networks were not made by :class:`TrunkEncoderFactory`.
    """
    modules = built(agent).modules
    found: dict[str, TrunkFeatures] = {}
    for field in dataclasses.fields(modules):
        if (name := FEATURE_NAMES.get(field.name)) is None:
            continue
        features = _distinct_features(getattr(modules, field.name))
        if not features:
            raise ConfigError(
                f"The {name} of {type(agent).__name__} was not made by TrunkEncoderFactory: it has no trunk to take "
                "latents from. Give the algorithm's encoder_factory arguments a TrunkEncoderFactory."
            )
        found |= {name: features[0]} if len(features) == 1 else {f"{name}_{i}": f for i, f in enumerate(features)}
    return found


def _distinct_features(network: nn.Module) -> list[TrunkFeatures]:
    encoders = [m for m in network.modules() if isinstance(m, FrameEncoder | FrameEncoderWithAction)]
    distinct = {id(encoder.features): encoder.features for encoder in encoders}
    return [features for features in distinct.values() if isinstance(features, TrunkFeatures)]


def copy_heads(source: Agent, target: Agent) -> None:
    """Copies all weights behind the features: hidden and last layers and temperatures, of target networks too.

    Args:
        source: Built agent.
        target: Built agent of the same algorithm; changed in place.

    Raises:
        ConfigError: If the heads differ in size or number.
    """
    giving, taking = built(source).modules, built(target).modules
    for field in dataclasses.fields(giving):
        network = getattr(giving, field.name)
        if isinstance(network, nn.Module):
            _copy_head(network, getattr(taking, field.name), field.name)


def _copy_head(source: nn.Module, target: nn.Module, name: str) -> None:
    weights = {key: value for key, value in source.state_dict().items() if _of_head(key)}
    try:
        missing, unexpected = target.load_state_dict(weights, strict=False)
    except RuntimeError as error:
        raise ConfigError(f"The heads of {name} do not fit this encoder: {error}") from error
    if unexpected or any(_of_head(key) for key in missing):
        raise ConfigError(f"The heads of {name} do not fit this encoder: {missing}, {unexpected}")


def _of_head(key: str) -> bool:
    return ".features." not in f".{key}"
