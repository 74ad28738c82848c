"""Networks on frames and on their latents, whose heads fit both."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

import torch
from d3rlpy.models.torch.encoders import Encoder, EncoderWithAction
from torch import Tensor, nn

from synth_replay.encoders import Trunk
from synth_replay.errors import ConfigError


class SharedConvolutions(nn.Module):
    """Convolutions that several networks share.

    Within :meth:`cached` they run once for each tensor of frames.

    Args:
        inner: Network that is shared.
    """

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner
        self._cache: list[tuple[Tensor, Tensor]] | None = None
        self._grad = True

    def forward(self, frames: Tensor) -> Tensor:
        """Maps frames ``[n, C, H, W]`` in [0, 255] to ``[n, count]``."""
        if self._cache is None:
            out: Tensor = self.inner(frames)
            return out
        found = [hidden for key, hidden in self._cache if key is frames]
        if not found:
            with torch.set_grad_enabled(self._grad and torch.is_grad_enabled()):
                found = [self.inner(frames)]
            self._cache.append((frames, found[0]))
        return found[0]

    @contextmanager
    def cached(self, grad: bool) -> Iterator[None]:
        """Reuses the output for a tensor of frames within this context.

        Args:
            grad: Whether gradients reach the convolutions.
        """
        self._cache, self._grad = [], grad
        try:
            yield
        finally:
            self._cache = None


class TrunkFeatures(nn.Module):
    """Convolutions and a trunk, which map frames to features in [-1, 1].

    Args:
        convolutions: Convolutions, which give ``[n, count]``.
        count: Number of outputs of the convolutions.
        size: Number of dimensions of a feature.
        borrowed: Whether the convolutions belong to another network, which alone trains them. DrQ-v2's actor borrows
            the critic's.
    """

    def __init__(self, convolutions: nn.Module, count: int, size: int, borrowed: bool = False) -> None:
        super().__init__()
        self.borrowed, self.count = borrowed, count
        # a tuple keeps borrowed convolutions out of the module registry, hence out of this network's parameters
        self._held: tuple[nn.Module, ...] = (convolutions,) if borrowed else ()
        if not borrowed:
            self.convolutions = convolutions
        self.trunk = Trunk(count, size)

    @property
    def shared(self) -> nn.Module:
        """The convolutions, borrowed or own."""
        return self._held[0] if self.borrowed else self.convolutions

    @property
    def layers(self) -> nn.Module:
        """The convolutions alone, without the cache that several networks share."""
        return self.shared.inner if isinstance(self.shared, SharedConvolutions) else self.shared

    def forward(self, frames: Tensor) -> Tensor:
        """Maps frames ``[n, C, H, W]`` in [0, 255] to features ``[n, size]``."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.borrowed):
            hidden = self.shared(frames)
        out: Tensor = self.trunk(hidden)
        return out


class FrameEncoder(Encoder):  # type: ignore[misc]
    """d3rlpy's encoder of observations: features, then the hidden layers of a head.

    Args:
        features: Network from observations to features ``[n, size]``.
        size: Number of dimensions of the features.
        hidden_units: Widths of the hidden layers.
    """

    def __init__(self, features: nn.Module, size: int, hidden_units: list[int]) -> None:
        super().__init__()
        self.features, self.head = features, mlp(size, hidden_units)

    def forward(self, x: Tensor) -> Tensor:
        """Maps observations ``[n, ...]`` to ``[n, hidden_units[-1]]``."""
        out: Tensor = self.head(self.features(x))
        return out


class FrameEncoderWithAction(EncoderWithAction):  # type: ignore[misc]
    """d3rlpy's encoder of observations and actions, whose hidden layers also read the action.

    Args:
        features: Network from observations to features ``[n, size]``.
        size: Number of dimensions of the features.
        action_size: Number of dimensions of an action.
        hidden_units: Widths of the hidden layers.
    """

    def __init__(self, features: nn.Module, size: int, action_size: int, hidden_units: list[int]) -> None:
        super().__init__()
        self.features, self.head = features, mlp(size + action_size, hidden_units)

    def forward(self, x: Tensor, action: Tensor) -> Tensor:
        """Maps observations ``[n, ...]`` and actions ``[n, action_size]`` to ``[n, hidden_units[-1]]``."""
        out: Tensor = self.head(torch.cat([self.features(x), action], dim=1))
        return out


def mlp(inputs: int, hidden_units: list[int]) -> nn.Sequential:
    """Returns linear layers of these widths, each followed by ReLU.

    Raises:
        ConfigError: If there is no layer.
    """
    if not hidden_units:
        raise ConfigError("hidden_units needs at least one layer: the heads are what is fine-tuned on latents.")
    sizes = [inputs, *hidden_units]
    return nn.Sequential(*(layer for a, b in pairwise(sizes) for layer in (nn.Linear(a, b), nn.ReLU())))
