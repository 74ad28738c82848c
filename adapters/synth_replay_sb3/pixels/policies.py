"""Pixels in Stable-Baselines3: frozen encoders as features, heads that move, batches that are augmented."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.preprocessing import is_image_space
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.type_aliases import ReplayBufferSamples
from stable_baselines3.common.vec_env import VecNormalize
from stable_baselines3.dqn.policies import DQNPolicy
from stable_baselines3.sac.policies import SACPolicy
from stable_baselines3.td3.policies import TD3Policy
from torch import Tensor, nn

from synth_replay.augment.pixels import PixelAugmenter
from synth_replay.encoders import FrozenEncoder, FrozenModule, cached_encoder
from synth_replay.encoders.layout import CONCAT
from synth_replay.errors import ConfigError

EXTRACTORS = ("actor", "critic", "q_net")
NAMES = {"q_net": "critic"}


class FrozenFeatures(BaseFeaturesExtractor):
    """SB3's features extractor on a frozen encoder; takes frames, and the latents of our buffers.

    It has no parameters: optimisers, soft updates, ``train()`` and ``state_dict`` do not reach the encoder.

    Args:
        observation_space: Given by SB3.
        encoder: File of the :class:`~synth_replay.encoders.FrozenEncoder`.
        part: Feature that the network on top reads; None for the whole latent.

    Raises:
        CheckpointError: If the file is no encoder.
        ConfigError: If the observations are neither frames nor latents of it, or there is no such part.
    """

    def __init__(self, observation_space: spaces.Space[Any], encoder: str | Path, part: str | None = None) -> None:
        frozen = cached_encoder(encoder)
        if observation_space.shape not in (frozen.pixel_shape, frozen.space.shape):
            raise ConfigError(
                f"Observations of shape {observation_space.shape} are neither frames {frozen.pixel_shape} nor latents "
                f"{frozen.space.shape} of the encoder {encoder}."
            )
        read = slice(0, frozen.layout.size) if part is None else frozen.layout.part(part)
        super().__init__(observation_space, read.stop - read.start)
        # uint8 frames are of 0 to 255; SB3's target networks, which are never in train mode, need not wait for a check
        self.frozen = FrozenModule(frozen, read, check=observation_space.dtype != np.uint8)

    def forward(self, observations: Tensor) -> Tensor:
        """``[n, C, H, W]`` of 0 to 255 or ``[n, d]`` to ``[n, features_dim]``."""
        found: Tensor = self.frozen(observations)
        return found


class _OnLatents:
    """What the policies below add to SB3's: ``encoder``, and networks that read their own part of a latent."""

    net_arch_of_cnn: tuple[int, ...] = (256, 256)  # SB3's default over its own convolutions, so that heads fit

    def __init__(self, *args: Any, encoder: str | Path | None = None, **kwargs: Any) -> None:
        if encoder is not None:
            kwargs["features_extractor_kwargs"] = {"encoder": str(Path(encoder).resolve())}
        if not (kwargs.get("features_extractor_kwargs") or {}).get("encoder"):
            raise ConfigError("Give the encoder's file: policy_kwargs={'encoder': 'encoder.pt2'}.")
        if kwargs.get("net_arch") is None:
            kwargs["net_arch"] = list(self.net_arch_of_cnn)
        kwargs |= {"features_extractor_class": FrozenFeatures, "normalize_images": False}
        super().__init__(*args, **kwargs)

    def _read(self, part: str) -> FrozenFeatures:
        kwargs: Any = self.features_extractor_kwargs  # type: ignore[attr-defined]
        own = part if part in cached_encoder(kwargs["encoder"]).layout.sizes else None  # one feature for all heads
        return FrozenFeatures(self.observation_space, **kwargs, part=own)  # type: ignore[attr-defined]

    def make_actor(self, features_extractor: BaseFeaturesExtractor | None = None) -> Any:  # noqa: ARG002
        """Called by SB3; the actor reads its own part, also with ``share_features_extractor``."""
        return super().make_actor(self._read("actor"))  # type: ignore[misc]

    def make_critic(self, features_extractor: BaseFeaturesExtractor | None = None) -> Any:  # noqa: ARG002
        """Called by SB3; likewise."""
        return super().make_critic(self._read("critic"))  # type: ignore[misc]


class LatentSACPolicy(_OnLatents, SACPolicy):
    """``SAC(LatentSACPolicy, env, policy_kwargs={"encoder": path})``: acts on frames, learns from latents."""


class LatentTD3Policy(_OnLatents, TD3Policy):
    """The same for TD3 and DDPG."""


class LatentDQNPolicy(_OnLatents, DQNPolicy):
    """The same for DQN."""

    net_arch_of_cnn = ()


class NamedExtractors(nn.Module):
    """The features extractors of a policy, each once."""

    divisor: Tensor

    def __init__(self, extractors: dict[str, nn.Module], divisor: float) -> None:
        super().__init__()
        self.extractors = nn.ModuleDict(extractors)
        self.register_buffer("divisor", torch.tensor(divisor))  # part of the encoder's hash

    def forward(self, frames: Tensor) -> dict[str, Tensor]:
        """``[n, C, H, W]`` of 0 to 255."""
        return {name: extractor(frames / self.divisor) for name, extractor in self.extractors.items()}


def encoder_of(
    model: BaseAlgorithm, latent: str = CONCAT, bounds: tuple[float, float] = (-np.inf, np.inf)
) -> FrozenEncoder:
    """Freezes what the policy of a trained SAC, TD3 or DQN sees.

    Args:
        model: Any SB3 model with ``"CnnPolicy"``, or with a features extractor of the user's own. It is not changed.
        latent: ``concat`` (each head reads its own part), ``sum`` (arXiv 2508.12356, Eq. 5), ``actor`` or ``critic``;
            one feature alone for DQN and where actor and critic share their extractor.
        bounds: Of every feature, which generated latents keep: (0, inf) for SB3's own convolutions, that end with ReLU.

    Raises:
        ConfigError: If the policy is of another kind, or its observations are no frames.
    """
    policy: Any = model.policy
    found = {NAMES.get(n, n): getattr(policy, n).features_extractor for n in EXTRACTORS if hasattr(policy, n)}
    shape = model.observation_space.shape or ()
    if not found or len(shape) != 3:
        raise ConfigError(f"{type(model).__name__} with {type(policy).__name__} has no encoder of frames to freeze.")
    if getattr(model.get_vec_normalize_env(), "norm_obs", False):
        raise ConfigError(
            "The frames are normalised by VecNormalize: use norm_obs=False, so that an encoder sees frames."
        )
    found = {name: e for i, (name, e) in enumerate(found.items()) if e not in list(found.values())[:i]}
    scaled = policy.normalize_images and is_image_space(model.observation_space)
    return FrozenEncoder(NamedExtractors(found, 255.0 if scaled else 1.0), shape, latent, bounds)


def transplant(source: BaseAlgorithm, target: BaseAlgorithm) -> None:
    """Copies all that does not see pixels: hidden and last layers, of target networks too.

    From an agent of pixels to one of :class:`LatentSACPolicy` it is the start of fine-tuning; from there to an agent of
    frames with the same policy class it gives the actions of the agent of latents.

    Args:
        source: Trained model.
        target: Model of the same algorithm and ``net_arch``; changed in place.

    Raises:
        ConfigError: If the heads do not fit, or they would read the features of another encoder.
    """
    heads = {k: v for k, v in source.policy.state_dict().items() if ".features_extractor." not in f".{k}"}
    wanted = {k for k in target.policy.state_dict() if ".features_extractor." not in f".{k}"}
    if set(heads) != wanted:
        differing = sorted(set(heads) ^ wanted)
        raise ConfigError(f"The heads differ in {', '.join(differing[:4])}: give both models the same net_arch.")
    _check_encoders(source, target)
    try:
        target.policy.load_state_dict(heads, strict=False)
    except RuntimeError as error:
        raise ConfigError(f"The heads do not fit: {error}") from error
    given, taken = (getattr(model, "log_ent_coef", None) for model in (source, target))  # SAC's temperature
    if isinstance(given, Tensor) and isinstance(taken, Tensor):
        taken.data.copy_(given.data)


def _check_encoders(source: BaseAlgorithm, target: BaseAlgorithm) -> None:
    frozen = [_frozen_of(model) for model in (source, target)]
    held = next((encoder for encoder in frozen if encoder is not None), None)
    for model, own in zip((source, target), frozen, strict=True):
        if held is None or (own is None and len(model.observation_space.shape or ()) != 3):
            return  # no encoder at all, or a model of latents whose encoder nobody knows
        bounds = held.layout.low, held.layout.high
        if (own or encoder_of(model, held.layout.latent, bounds)).hash != held.hash:
            raise ConfigError(
                "The models see by different encoders: heads would read features that they do not know. Save "
                "encoder_of(model) of the model whose heads move, and give that file to the other one."
            )


def _frozen_of(model: BaseAlgorithm) -> FrozenEncoder | None:
    return next((m._held[0] for m in model.policy.modules() if isinstance(m, FrozenModule)), None)


class AugmentedReplayBuffer(ReplayBuffer):
    """SB3's buffer whose batches are augmented frames; everything after ``handle_timeout_termination`` is ours.

    Args:
        buffer_size: As in SB3, like the next six.
        observation_space: Given by SB3.
        action_space: Given by SB3.
        device: Given by SB3.
        n_envs: Given by SB3.
        optimize_memory_usage: Given by SB3.
        handle_timeout_termination: As in SB3.
        **augmenter: Arguments of :class:`~synth_replay.augment.pixels.PixelAugmenter`.
    """

    def __init__(
        self,
        buffer_size: int,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        device: torch.device | str = "auto",
        n_envs: int = 1,
        optimize_memory_usage: bool = False,
        handle_timeout_termination: bool = True,
        **augmenter: Any,
    ) -> None:
        self.augmenter = PixelAugmenter(**augmenter)
        super().__init__(
            buffer_size,
            observation_space,
            action_space,
            device,
            n_envs,
            optimize_memory_usage,
            handle_timeout_termination,
        )

    def _get_samples(self, batch_inds: Any, env: VecNormalize | None = None) -> ReplayBufferSamples:
        samples = super()._get_samples(batch_inds, env)
        before, after = self.augmenter(samples.observations, samples.next_observations)
        return samples._replace(observations=before, next_observations=after)
