"""Networks for frames and for their latents, with heads that fit both: d3rlpy's ``encoder_factory`` arguments."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

import torch
from d3rlpy.models.encoders import EncoderFactory, register_encoder_factory
from d3rlpy.models.torch.encoders import Encoder, EncoderWithAction
from torch import Tensor, nn

from synth_replay.encoders import FrozenModule, Trunk, cached_encoder
from synth_replay.encoders.networks import Architecture, convolutions
from synth_replay.errors import ConfigError

Shape = tuple[int, ...]


class Features(nn.Module):
    """Convolutions and a trunk: frames of 0 to 255 to features in [-1, 1].

    Args:
        convolutions_: The convolutions.
        count: Numbers that they give.
        size: Numbers in a feature.
        borrowed: They belong to another network, which alone trains them (the actor's, in DrQ-v2).
    """

    def __init__(self, convolutions_: nn.Module, count: int, size: int, borrowed: bool = False) -> None:
        super().__init__()
        self.borrowed, self.count = borrowed, count
        # outside of the module registry, what is borrowed is no parameter of ours
        self._held: tuple[nn.Module, ...] = (convolutions_,) if borrowed else ()
        if not borrowed:
            self.convolutions = convolutions_
        self.trunk = Trunk(count, size)

    @property
    def shared(self) -> nn.Module:
        """The convolutions, borrowed or not."""
        return self._held[0] if self.borrowed else self.convolutions

    def forward(self, frames: Tensor) -> Tensor:
        """``[n, C, H, W]`` to ``[n, size]``."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.borrowed):
            hidden = self.shared(frames)
        out: Tensor = self.trunk(hidden)
        return out


class Convolutions(nn.Module):
    """Convolutions that several networks share: within :meth:`held` they run once for a tensor of frames.

    Args:
        inner: The convolutions.
    """

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner
        self._memo: list[tuple[Tensor, Tensor]] | None = None
        self._grad = True

    def forward(self, frames: Tensor) -> Tensor:
        """``[n, C, H, W]``."""
        if self._memo is None:
            out: Tensor = self.inner(frames)
            return out
        found = [hidden for key, hidden in self._memo if key is frames]
        if not found:
            with torch.set_grad_enabled(self._grad and torch.is_grad_enabled()):
                found = [self.inner(frames)]
            self._memo.append((frames, found[0]))
        return found[0]

    @contextmanager
    def held(self, grad: bool) -> Iterator[None]:
        """Within it, what was computed for a tensor of frames is used again.

        Args:
            grad: Whether the convolutions learn from it.
        """
        self._memo, self._grad = [], grad
        try:
            yield
        finally:
            self._memo = None


class _Headed:
    features: nn.Module
    head: nn.Module


class FrameEncoder(Encoder, _Headed):  # type: ignore[misc]
    """Features and the hidden layers on top of them."""

    def __init__(self, features: nn.Module, size: int, hidden_units: list[int]) -> None:
        super().__init__()
        self.features, self.head = features, mlp(size, hidden_units)

    def forward(self, x: Tensor) -> Tensor:
        """``[n, ...]`` to ``[n, hidden_units[-1]]``."""
        out: Tensor = self.head(self.features(x))
        return out


class FrameEncoderWithAction(EncoderWithAction, _Headed):  # type: ignore[misc]
    """The same for a critic, whose hidden layers also see the action."""

    def __init__(self, features: nn.Module, size: int, action_size: int, hidden_units: list[int]) -> None:
        super().__init__()
        self.features, self.head = features, mlp(size + action_size, hidden_units)

    def forward(self, x: Tensor, action: Tensor) -> Tensor:
        """``[n, ...]`` and ``[n, action_size]`` to ``[n, hidden_units[-1]]``."""
        out: Tensor = self.head(torch.cat([self.features(x), action], dim=1))
        return out


def mlp(inputs: int, hidden_units: list[int]) -> nn.Sequential:
    """Linear and ReLU, as often as there are hidden units."""
    if not hidden_units:
        raise ConfigError("hidden_units needs at least one layer: the heads are what is fine-tuned on latents.")
    sizes = [inputs, *hidden_units]
    return nn.Sequential(*(layer for a, b in pairwise(sizes) for layer in (nn.Linear(a, b), nn.ReLU())))


class _FrameFactory(EncoderFactory):  # type: ignore[misc]
    """What both factories share."""

    hidden_units: list[int]

    def _features(self, observation_shape: Shape) -> tuple[nn.Module, int]:
        raise NotImplementedError

    def create(self, observation_shape: Shape) -> Encoder:
        """Called by d3rlpy."""
        return FrameEncoder(*self._features(observation_shape), self.hidden_units)

    def create_with_action(
        self, observation_shape: Shape, action_size: int, discrete_action: bool = False
    ) -> EncoderWithAction:
        """Called by d3rlpy for critics of continuous actions."""
        if discrete_action:
            raise ConfigError("Critics that take a discrete action as input (discrete BCQ) are not served.")
        features, size = self._features(observation_shape)
        return FrameEncoderWithAction(features, size, action_size, self.hidden_units)


@dataclasses.dataclass()
class TrunkEncoderFactory(_FrameFactory):
    """Pixels, convolutions, a tanh trunk where latents are taken, hidden layers.

    Frames are scaled inside: leave d3rlpy's ``observation_scaler`` at None.

    Args:
        architecture: ``drq`` (DrQ-v2, V-D4RL) or ``impala`` (Procgen).
        feature_size: Numbers in a latent; 50 in DrQ-v2.
        hidden_units: Of the layers after the trunk; they are what is fine-tuned on latents.
    """

    architecture: Architecture = "drq"
    feature_size: int = 50
    hidden_units: list[int] = dataclasses.field(default_factory=lambda: [256, 256])

    def _features(self, observation_shape: Shape) -> tuple[nn.Module, int]:
        made, count = convolutions(self.architecture, tuple(observation_shape))
        return Features(Convolutions(made), count, self.feature_size), self.feature_size

    @staticmethod
    def get_type() -> str:
        """Its name in d3rlpy's files."""
        return "synth_replay_trunk"


@dataclasses.dataclass()
class LatentEncoderFactory(_FrameFactory):
    """A frozen encoder's latents and hidden layers; the same networks also take the pixels themselves.

    Args:
        encoder: File of the :class:`~synth_replay.encoders.FrozenEncoder`.
        parts: Features that the networks read, one name for each: d3rlpy asks one factory for all critics of an
            ensemble, so the first reads the first part, the second the second, and again from the start.
        hidden_units: Of the layers on top.
    """

    encoder: str = ""
    parts: list[str] = dataclasses.field(default_factory=list)
    hidden_units: list[int] = dataclasses.field(default_factory=lambda: [256, 256])

    def __post_init__(self) -> None:
        self._made = 0

    def _features(self, observation_shape: Shape) -> tuple[nn.Module, int]:
        if not self.parts:
            raise ConfigError("LatentEncoderFactory needs the names of the parts that its networks read.")
        frozen = cached_encoder(self.encoder)
        if tuple(observation_shape) not in (frozen.pixel_shape, frozen.space.shape):
            raise ConfigError(
                f"Observations of shape {tuple(observation_shape)} are neither frames {frozen.pixel_shape} nor latents "
                f"{frozen.space.shape} of the encoder {self.encoder}."
            )
        part = frozen.layout.part(self.parts[self._made % len(self.parts)])
        self._made += 1
        return FrozenModule(frozen, part), part.stop - part.start

    @staticmethod
    def get_type() -> str:
        """Its name in d3rlpy's files."""
        return "synth_replay_latent"


register_encoder_factory(TrunkEncoderFactory)
register_encoder_factory(LatentEncoderFactory)
