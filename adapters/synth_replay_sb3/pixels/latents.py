"""From an SB3 agent on pixels to one on latents, and back (arXiv 2508.12356, Section 3.3; SynthER, Appendix F).

``encoder_of(model)`` freezes the features of an agent on pixels, ``transplant(source, target)`` copies its heads to an
agent on latents, or the trained heads back to an agent that acts on frames.
"""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.preprocessing import is_image_space
from torch import Tensor, nn

from synth_replay.encoders import FeatureTowers, FrozenEncoder, FrozenModule
from synth_replay.encoders.layout import CONCAT
from synth_replay.errors import ConfigError

# SB3's networks with a features extractor, and the papers' names of the features that they read
FEATURE_NAMES = {"actor": "actor", "critic": "critic", "q_net": "critic"}


def encoder_of(
    model: BaseAlgorithm, latent: str = CONCAT, bounds: tuple[float, float] = (-np.inf, np.inf)
) -> FrozenEncoder:
    """Freezes the features extractors of a trained SAC, TD3 or DQN agent.

    Args:
        model: SB3 model with ``"CnnPolicy"``, or with a features extractor of the user's own. It is not changed.
        latent: ``concat`` (each head reads its own part), ``sum`` (arXiv 2508.12356, Eq. 5), ``actor`` or ``critic``.
            DQN, and an actor and critic that share their extractor, have one feature.
        bounds: Lower and upper bound of every feature, which generated latents respect. (0, inf) fits SB3's own
            convolutions, which end with ReLU.

    Raises:
        ConfigError: If the policy is of another kind, or its observations are not frames.
    """
    policy: Any = model.policy
    found = {
        name: getattr(policy, net).features_extractor for net, name in FEATURE_NAMES.items() if hasattr(policy, net)
    }
    shape = model.observation_space.shape or ()
    if not found or len(shape) != 3:
        raise ConfigError(
            f"{type(model).__name__} with {type(policy).__name__} has no encoder of frames to freeze. Give a SAC, TD3 "
            "or DQN model whose observations are frames."
        )
    if getattr(model.get_vec_normalize_env(), "norm_obs", False):
        raise ConfigError(
            "The frames are normalised by VecNormalize: use norm_obs=False, so that an encoder sees frames."
        )
    distinct = {name: e for i, (name, e) in enumerate(found.items()) if e not in list(found.values())[:i]}
    scaled = policy.normalize_images and is_image_space(model.observation_space)
    divisor = 255.0 if scaled else 1.0
    towers = FeatureTowers({name: _stages(e, shape, divisor) for name, e in distinct.items()}, divisor)
    return FrozenEncoder(towers, shape, latent, bounds)


@torch.no_grad()
def _stages(extractor: nn.Module, shape: tuple[int, ...], divisor: float) -> tuple[nn.Module, ...]:
    """Returns the parts of an extractor that only applies them in order; any other extractor is one stage.

    SB3's own convolutions and most user-defined ones are such. A single stage is code, which only ``.pt2`` files hold.
    """
    whole = copy.deepcopy(extractor).cpu().eval()
    levels = torch.linspace(0.0, 255.0, 4 * math.prod(shape))
    frames = (
        levels[torch.randperm(len(levels), generator=torch.Generator().manual_seed(0))].reshape(4, *shape) / divisor
    )
    chained = frames
    try:
        for part in whole.children():
            chained = part(chained)
    except (RuntimeError, TypeError, ValueError, NotImplementedError):
        return (extractor,)
    same = isinstance(chained, Tensor) and torch.equal(chained, whole(frames))
    return tuple(extractor.children()) if same else (extractor,)


def transplant(source: BaseAlgorithm, target: BaseAlgorithm) -> None:
    """Copies the heads: all hidden and last layers behind the features, those of target networks too.

    From an agent on pixels to one of :class:`LatentSACPolicy`, this starts fine-tuning on latents. From there to an
    agent on frames with the same policy class, it gives an agent with the same actions.

    Args:
        source: Trained model.
        target: Model of the same algorithm and ``net_arch``; changed in place.

    Raises:
        ConfigError: If the heads do not fit, or would read the features of another encoder.
    """
    heads, wanted = _head_weights(source), _head_weights(target)
    if set(heads) != set(wanted):
        differing = sorted(set(heads) ^ set(wanted))
        raise ConfigError(f"The heads differ in {', '.join(differing[:4])}: give both models the same net_arch.")
    _check_same_encoder(source, target)
    try:
        target.policy.load_state_dict(heads, strict=False)
    except RuntimeError as error:
        raise ConfigError(f"The heads do not fit: {error}. Give both models the same net_arch.") from error
    given, taken = (getattr(model, "log_ent_coef", None) for model in (source, target))  # SAC's temperature
    if isinstance(given, Tensor) and isinstance(taken, Tensor):
        taken.data.copy_(given.data)


def _head_weights(model: BaseAlgorithm) -> dict[str, Tensor]:
    return {k: v for k, v in model.policy.state_dict().items() if ".features_extractor." not in f".{k}"}


def _check_same_encoder(source: BaseAlgorithm, target: BaseAlgorithm) -> None:
    frozen = [_frozen_encoder(model) for model in (source, target)]
    held = next((encoder for encoder in frozen if encoder is not None), None)
    for model, own in zip((source, target), frozen, strict=True):
        if held is None or (own is None and len(model.observation_space.shape or ()) != 3):
            return  # neither model has an encoder, or one is on latents of an unknown encoder
        bounds = held.layout.low, held.layout.high
        if (own or encoder_of(model, held.layout.latent, bounds)).hash != held.hash:
            raise ConfigError(
                "The models have different encoders, so the heads would read features that they were not trained on. "
                "Save encoder_of(model) of the model whose heads move, and give that file to the other one."
            )


def _frozen_encoder(model: BaseAlgorithm) -> FrozenEncoder | None:
    return next((module.encoder for module in model.policy.modules() if isinstance(module, FrozenModule)), None)
