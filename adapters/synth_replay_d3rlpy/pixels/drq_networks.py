"""Actor and critics of DrQ+BC, on pixels with one set of convolutions for all."""

from __future__ import annotations

import dataclasses
from typing import Any

from d3rlpy.algos import TD3PlusBCConfig
from d3rlpy.models.builders import create_continuous_q_function, create_deterministic_policy
from d3rlpy.models.torch.encoders import Encoder, EncoderWithAction
from torch import nn

from synth_replay_d3rlpy.pixels.factories import LatentEncoderFactory, TrunkEncoderFactory
from synth_replay_d3rlpy.pixels.networks import FrameEncoder, FrameEncoderWithAction, TrunkFeatures

Shape = tuple[int, ...]


class DrQNetworks:
    """Makes one actor and its critics; on pixels, the actor borrows the critics' convolutions.

    Args:
        config: Settings of the algorithm.
        observation_shape: Shape of one observation: ``[C, H, W]``, or ``[d]`` for latents.
        action_size: Number of dimensions of an action.
        common: Arguments of d3rlpy's builders: ``device`` and ``enable_ddp``.
    """

    def __init__(
        self, config: TD3PlusBCConfig, observation_shape: Shape, action_size: int, common: dict[str, Any]
    ) -> None:
        self._config, self._shapes, self._common = config, (observation_shape, action_size), common
        self._actor, self._critic = _factories(config, observation_shape)

    def make_critics(self) -> Any:
        """Makes the critics, and returns them with d3rlpy's forwarder."""
        factory, critics = self._config.q_func_factory, self._config.n_critics
        return create_continuous_q_function(*self._shapes, self._critic, factory, n_ensembles=critics, **self._common)

    def make_policy(self) -> Any:
        """Makes the actor."""
        return create_deterministic_policy(*self._shapes, self._actor, **self._common)


def _factories(config: TD3PlusBCConfig, observation_shape: Shape) -> tuple[Any, Any]:
    """Returns the encoder factories of actor and critics."""
    actor, critic = config.actor_encoder_factory, config.critic_encoder_factory
    if isinstance(critic, LatentEncoderFactory):
        return actor, critic
    features, _ = critic.make_features(observation_shape)
    borrowed = TrunkFeatures(features.shared, features.count, actor.feature_size, borrowed=True)
    return _SharedFeaturesFactory(borrowed, actor), _SharedFeaturesFactory(features, critic)


@dataclasses.dataclass(frozen=True)
class _SharedFeaturesFactory:
    """A factory, as d3rlpy's builders use it, all of whose encoders have the same features."""

    features: nn.Module
    factory: TrunkEncoderFactory

    def create(self, observation_shape: Shape) -> Encoder:  # noqa: ARG002
        return FrameEncoder(self.features, self.factory.feature_size, self.factory.hidden_units)

    def create_with_action(self, observation_shape: Shape, action_size: int) -> EncoderWithAction:  # noqa: ARG002
        size, units = self.factory.feature_size, self.factory.hidden_units
        return FrameEncoderWithAction(self.features, size, action_size, units)
