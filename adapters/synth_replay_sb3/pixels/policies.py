"""SB3's policies on a frozen encoder: they act on frames and learn from the latents of our buffers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stable_baselines3.common.policies import BaseModel, ContinuousCritic
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.dqn.policies import DQNPolicy
from stable_baselines3.sac.policies import Actor as SACActor
from stable_baselines3.sac.policies import SACPolicy
from stable_baselines3.td3.policies import Actor as TD3Actor
from stable_baselines3.td3.policies import TD3Policy

from synth_replay.encoders import cached_encoder
from synth_replay.errors import ConfigError
from synth_replay_sb3.pixels.networks import FrozenFeatures

# SB3's default hidden layers on top of its own convolutions, so that the heads of an agent on pixels fit
CONTINUOUS_NET_ARCH = (256, 256)
DISCRETE_NET_ARCH = ()


class LatentSACPolicy(SACPolicy):
    """SAC's policy on a frozen encoder: ``SAC(LatentSACPolicy, env, policy_kwargs={"encoder": path})``.

    Args:
        *args: Arguments of SB3's ``SACPolicy``.
        encoder: File of the :class:`~synth_replay.encoders.FrozenEncoder`.
        **kwargs: Keyword arguments of ``SACPolicy``. ``net_arch`` defaults to (256, 256).

    Raises:
        ConfigError: If no encoder is given, or the observations are neither frames nor latents of it.
    """

    def __init__(self, *args: Any, encoder: str | Path | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **_with_encoder(kwargs, encoder, CONTINUOUS_NET_ARCH))

    def make_actor(self, features_extractor: BaseFeaturesExtractor | None = None) -> SACActor:  # noqa: ARG002
        """Makes the actor on its own part of a latent, also with ``share_features_extractor``; called by SB3."""
        return super().make_actor(_features_for(self, "actor"))

    def make_critic(self, features_extractor: BaseFeaturesExtractor | None = None) -> ContinuousCritic:  # noqa: ARG002
        """Makes the critics on their own part of a latent; called by SB3."""
        return super().make_critic(_features_for(self, "critic"))


class LatentTD3Policy(TD3Policy):
    """The policy of TD3 and DDPG on a frozen encoder, with the arguments of :class:`LatentSACPolicy`."""

    def __init__(self, *args: Any, encoder: str | Path | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **_with_encoder(kwargs, encoder, CONTINUOUS_NET_ARCH))

    def make_actor(self, features_extractor: BaseFeaturesExtractor | None = None) -> TD3Actor:  # noqa: ARG002
        """Makes the actor on its own part of a latent, also with ``share_features_extractor``; called by SB3."""
        return super().make_actor(_features_for(self, "actor"))

    def make_critic(self, features_extractor: BaseFeaturesExtractor | None = None) -> ContinuousCritic:  # noqa: ARG002
        """Makes the critics on their own part of a latent; called by SB3."""
        return super().make_critic(_features_for(self, "critic"))


class LatentDQNPolicy(DQNPolicy):
    """DQN's policy on a frozen encoder, with the arguments of :class:`LatentSACPolicy`.

    Its network reads the whole latent. ``net_arch`` defaults to no hidden layer, as SB3's does on top of convolutions.
    """

    def __init__(self, *args: Any, encoder: str | Path | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **_with_encoder(kwargs, encoder, DISCRETE_NET_ARCH))


def _with_encoder(kwargs: dict[str, Any], encoder: str | Path | None, net_arch: Sequence[int]) -> dict[str, Any]:
    """Returns the keyword arguments of an SB3 policy whose features extractor is a frozen encoder."""
    if encoder is not None:
        kwargs["features_extractor_kwargs"] = {"encoder": str(Path(encoder).resolve())}
    if not (kwargs.get("features_extractor_kwargs") or {}).get("encoder"):
        raise ConfigError("The policy has no encoder. Give its file: policy_kwargs={'encoder': 'encoder.safetensors'}.")
    if kwargs.get("net_arch") is None:
        kwargs["net_arch"] = list(net_arch)
    return kwargs | {"features_extractor_class": FrozenFeatures, "normalize_images": False}


def _features_for(policy: BaseModel, part: str) -> FrozenFeatures:
    """Returns the features that a head reads: its own, or the whole latent of an encoder with one feature for all."""
    kwargs = policy.features_extractor_kwargs
    own = part if part in cached_encoder(kwargs["encoder"]).layout.sizes else None
    return FrozenFeatures(policy.observation_space, **kwargs, part=own)
